"use strict";
// Draws the page's figures in the colours of the scheme in force, makes its tables sortable, and lets commands be copied.
// Without this script the page still reads: every figure has its text, every table its rows.
(() => {
  const content = JSON.parse(document.getElementById("figures").textContent);
  const figures = content.charts;
  const described = (trial) => content.trials[trial];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");
  const narrow = matchMedia("(max-width: 700px)");

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  // Colours are written "@name", or "@name/33" with an opacity in hexadecimal; only colour settings are looked at, never texts.
  function painted(value, key = "") {
    if (Array.isArray(value)) return value.map((item) => painted(item, key));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, k)]));
    }
    const isColour = /color/i.test(key) && typeof value === "string" && value.startsWith("@");
    if (!isColour) return value;
    const [name, opacity = ""] = value.slice(1).split("/");
    return colour(name) + opacity;
  }

  function layout(own) {
    const axis = {
      gridcolor: colour("line"), linecolor: colour("line"), zerolinecolor: colour("line"), automargin: true,
      tickfont: { color: colour("muted") },
    };
    const merged = {
      margin: { l: 10, r: 12, t: 10, b: 10 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("line"), font: { color: colour("text") }, align: "left" },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      // On a touch screen a finger on a figure scrolls the page.
      dragmode: touch.matches ? false : "zoom",
      ...painted(own),
    };
    for (const name of ["xaxis", "yaxis"]) merged[name] = { ...axis, ...merged[name] };
    return merged;
  }

  // Points name their trials; what is said of a trial is in the page once.
  const labelled = (trace) => (trace.trials ? { ...trace, text: trace.trials.map(described) } : trace);

  const settings = { displayModeBar: false, responsive: true };

  function draw(figure) {
    const place = document.getElementById(figure.name);
    const drawn = figure.parallel ? parallel(figure.parallel) : { data: painted(figure.data).map(labelled), layout: layout(figure.layout) };
    return Plotly.react(place, drawn.data, drawn.layout, settings);
  }

  // Parallel coordinates as ordinary lines: a few traces of many lines each, so that hundreds of trials draw fast.
  const SHADES = 6;

  function mix(from, to, share) {
    const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const [a, b] = [channels(from), channels(to)];
    return "rgb(" + a.map((v, i) => Math.round(v + share * (b[i] - v))).join(",") + ")";
  }

  // As the page's text has it: what is short of 100% is not rounded up to it.
  function percent(value) {
    let decimals = 1;
    while (value < 1 && Number((100 * value).toFixed(decimals)) >= 100 && decimals < 3) decimals += 1;
    const cut = value < 1 && Number((100 * value).toFixed(decimals)) >= 100;
    return (cut ? 99.999 : 100 * value).toFixed(decimals) + "%";
  }

  function threshold(spec) {
    const [low, high] = spec.range;
    return low + (document.getElementById("threshold").value / 100) * (high - low);
  }

  function parallel(spec) {
    const [low, high] = spec.range;
    const last = spec.axes.length;
    const least = threshold(spec);
    const traces = Array.from({ length: SHADES + 1 }, () => ({ x: [], y: [], text: [] }));
    spec.rows.forEach((row, index) => {
      const value = spec.values[index];
      const shade = value < least - 1e-12 ? 0 : 1 + Math.min(SHADES - 1, Math.floor(SHADES * spec.standings[index]));
      const shift = 0.03 * (((index * 0.618034) % 1) - 0.5);  // lines through the same value lie side by side
      const places = [...row.map((y) => y + shift), (value - low) / (high - low)];
      places.forEach((y, axis) => { traces[shade].x.push(axis); traces[shade].y.push(y); traces[shade].text.push(described(spec.trials[index])); });
      traces[shade].x.push(null); traces[shade].y.push(null); traces[shade].text.push("");
    });
    const data = traces.map((trace, shade) => ({
      ...trace, type: "scatter", mode: "lines", hoverinfo: shade ? "text" : "skip", showlegend: false,
      opacity: shade ? 0.35 + 0.6 * shade / SHADES : 0.15,
      line: { width: shade === SHADES ? 2 : 1, color: shade ? mix(colour("scale-low"), colour("scale-high"), (shade - 1) / (SHADES - 1)) : colour("faint") },
    })).filter((trace) => trace.x.length);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: percent(low + at * (high - low)) }));
    const axes = [...spec.axes, { title: "captured value", ticks }];
    const annotations = axes.flatMap((axis, x) => [
      { x, y: 1.1, text: "<b>" + axis.title + "</b>", showarrow: false, font: { size: 12 } },
      ...axis.ticks.map((tick) => ({
        x, y: tick.at, text: tick.text, showarrow: false, font: { size: 11 }, xanchor: x === last ? "left" : "right",
        xshift: x === last ? 5 : -5, bgcolor: colour("background"), borderpad: 1,
      })),
    ]);
    const shapes = axes.map((_, x) => ({ type: "line", x0: x, x1: x, y0: -0.03, y1: 1.03, line: { color: colour("muted"), width: 1 } }));
    const none = { visible: false, fixedrange: true };
    if (narrow.matches) return turned(data, axes, last);
    return {
      data,
      layout: {
        ...layout({}), annotations, shapes, hovermode: "closest", dragmode: false,
        xaxis: { ...none, range: [-0.65, last + 0.65] }, yaxis: { ...none, range: [-0.08, 1.16] },
      },
    };
  }

  // On a narrow screen the axes lie below each other, so that all of them are seen.
  function turned(data, axes, last) {
    const down = (axis) => last - axis;
    const annotations = axes.flatMap((axis, at) => [
      { x: 0, y: down(at) + 0.36, text: "<b>" + axis.title + "</b>", showarrow: false, font: { size: 12 }, xanchor: "left" },
      ...axis.ticks.map((tick) => ({
        x: tick.at, y: down(at) - 0.2, text: tick.text, showarrow: false, font: { size: 10 }, bgcolor: colour("background"),
        xanchor: tick.at < 0.05 ? "left" : tick.at > 0.95 ? "right" : "center",
      })),
    ]);
    const shapes = axes.map((_, at) => ({ type: "line", x0: -0.02, x1: 1.02, y0: down(at), y1: down(at), line: { color: colour("muted"), width: 1 } }));
    const none = { visible: false, fixedrange: true };
    const swapped = data.map((trace) => ({ ...trace, x: trace.y, y: trace.x.map((at) => (at === null ? null : down(at))) }));
    return {
      data: swapped,
      layout: {
        ...layout({}), annotations, shapes, hovermode: "closest", dragmode: false,
        xaxis: { ...none, range: [-0.05, 1.05] }, yaxis: { ...none, range: [-0.45, last + 0.6] },
      },
    };
  }

  // One trial by itself: everything is in the page, and drawn when it is chosen.
  const LEVELS = content.boundaries;

  function chosen() {
    const select = document.getElementById("trial");
    if (!select) return;
    const one = content.details[select.value];
    const set = (id, text) => { document.getElementById(id).textContent = text; };
    document.getElementById("trial-facts").replaceChildren(...one.facts.flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      [dt.textContent, dd.textContent] = [name, value];
      return [dt, dd];
    }));
    set("trial-verdict", one.verdict);
    set("trial-log", one.log || "It wrote nothing.");
    set("trial-files", one.files);
    const line = (x, y, name, dash, shade) => ({ type: "scatter", mode: x.length > 1 ? "lines" : "markers", x, y, name, line: { dash, color: colour(shade), width: 2 } });
    const axis = (title, more) => ({ title: { text: title }, ...more });
    Plotly.react("trial-curve", [line(one.x, one.gap, "optimality gap", "solid", "accent")],
      layout({ showlegend: false, xaxis: axis("training iterations", { rangemode: "tozero" }), yaxis: axis("optimality gap", { type: "log", tickformat: ".2~%", dtick: "D2" }) }), settings);
    const during = one.levels.x;
    const ends = during.length ? [during[0], during[during.length - 1]] : [];
    const optimal = LEVELS.filter(([key]) => one.optimal[key] !== null && ends.length)
      .map(([key, , dash]) => ({ ...line(ends, [one.optimal[key], one.optimal[key]], "", dash, "muted"), showlegend: false, hoverinfo: "skip" }));
    Plotly.react("trial-levels", [...optimal, ...LEVELS.map(([key, name, dash]) => line(during, one.levels[key], name, dash, "accent"))],
      layout({ xaxis: axis("training iterations", { rangemode: "tozero" }), yaxis: axis("cash", { rangemode: "tozero" }) }), settings);
    set("trial-policy-note", one.policy ? "Over time to horizon." : "The page has the policies of the best trials only; ghm evaluate with this trial's checkpoints/best_model.pt and --figures draws it.");
    Plotly.react("trial-policy", one.policy ? LEVELS.map(([key, name, dash]) => line(one.policy.x, one.policy[key], name, dash, "accent")) : [],
      layout({ xaxis: axis("time to horizon (years)", { type: "log", dtick: 1 }), yaxis: axis("cash", { rangemode: "tozero" }) }), settings);
  }

  function control() {
    const slider = document.getElementById("threshold");
    const figure = figures.find((one) => one.parallel);
    if (!slider || !figure) return;
    const show = () => {
      const shown = percent(threshold(figure.parallel));
      document.getElementById("threshold-value").textContent = shown;
      slider.setAttribute("aria-valuetext", shown);
    };
    slider.addEventListener("input", () => { show(); draw(figure); });
    show();
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("number");
        const before = head.getAttribute("aria-sort");
        // Figures start with the largest, names with the first of the alphabet.
        const ascending = before ? before === "descending" : !numeric;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
        const compare = (a, b) => {
          const [x, y] = [key(a), key(b)];
          if (x === "" || y === "") return (x === "") - (y === "");  // what is missing comes last either way
          const order = Number.isFinite(+x) && Number.isFinite(+y) ? x - y : x.localeCompare(y);
          return ascending ? order : -order;
        };
        body.append(...[...body.rows].sort(compare));
      });
    });
  }

  function copying() {
    const button = document.getElementById("copy");
    if (!button) return;
    button.addEventListener("click", async () => {
      const status = document.getElementById("copied");
      try {
        await navigator.clipboard.writeText(document.getElementById("command").textContent);
        status.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(document.getElementById("command"));
        status.textContent = "Selected: copy it with the keyboard.";
      }
    });
  }

  // A pause now and then, so that the page answers while the rest are drawn.
  const PAUSE_MS = 200;

  async function drawAll() {
    let paused = performance.now();
    for (const figure of figures) {
      await draw(figure);
      if (performance.now() - paused < PAUSE_MS) continue;
      await new Promise((next) => setTimeout(next));
      paused = performance.now();
    }
    chosen();
    document.documentElement.dataset.figures = "drawn";
  }

  // A page of a running search is written again now and then: once drawn, it is loaded again, where it was left, when nobody is at
  // work with it.
  function reloading() {
    const seconds = Number(document.documentElement.dataset.reload);
    if (!seconds) return;
    let last = 0;
    for (const kind of ["scroll", "pointerdown", "keydown"]) addEventListener(kind, () => { last = performance.now(); }, { passive: true });
    const quiet = () => !document.hidden && performance.now() - last > Math.min(5000, 500 * seconds);
    setInterval(() => { if (quiet()) location.reload(); }, 1000 * seconds);
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  copying();
  control();
  document.getElementById("trial")?.addEventListener("change", chosen);
  // The page can be read before the first figure is drawn.
  addEventListener("load", () => setTimeout(() => drawAll().then(reloading)));
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  // Paper is narrower than the screen that figures were drawn for.
  const PAPER_PX = 680;
  const placed = () => figures.map((figure) => document.getElementById(figure.name)).filter((place) => place && place.layout);
  addEventListener("beforeprint", () => placed().forEach((place) => Plotly.relayout(place, { width: PAPER_PX, autosize: false })));
  addEventListener("afterprint", () => placed().forEach((place) => Plotly.relayout(place, { width: null, autosize: true })));
})();
