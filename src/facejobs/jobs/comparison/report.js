"use strict";
// Draws the curves of the report. All numbers of the tables are in the document itself; nothing is fetched.
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 40rem)");
  const touch = window.matchMedia("(pointer: coarse)");
  const colours = {
    light: ["#0b5cd6", "#c2410c", "#04703f", "#7c3aed", "#a8185d", "#475569"],
    dark: ["#7fb0ff", "#ffab73", "#6fdda0", "#c4a7ff", "#ff93bf", "#b4bfce"],
  };
  const dashes = ["solid", "dash", "dashdot", "longdash", "longdashdot", "dot"];
  const byId = (id) => document.getElementById(id);
  const colourOf = (version) => {
    const palette = dark.matches ? colours.dark : colours.light;
    return palette[data.versions.indexOf(version) % palette.length];
  };
  const dashOf = (version) => dashes[Math.floor(data.versions.indexOf(version) / colours.light.length) % dashes.length];

  async function loadPlotly() {
    const packed = Uint8Array.from(atob(byId("plotly").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  function layout(xTitle, yTitle, more = {}) {
    const style = getComputedStyle(document.documentElement);
    const [ink, soft, line, card, accent] = ["--ink", "--soft", "--line", "--card", "--accent"]
      .map((name) => style.getPropertyValue(name).trim());
    const axis = { gridcolor: line, linecolor: line, zeroline: false, color: soft, automargin: true, fixedrange: touch.matches };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow.matches ? 11 : 13, color: ink },
      margin: { l: 48, r: 8, t: 8, b: 40 }, hovermode: "x unified", dragmode: touch.matches ? false : "zoom",
      hoverlabel: { bgcolor: card, bordercolor: line, font: { color: ink } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: accent },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: { ...axis, title: { text: xTitle }, ...more.xaxis }, yaxis: { ...axis, title: { text: yTitle }, ...more.yaxis },
    };
  }

  const settings = () => ({
    responsive: true, displaylogo: false, displayModeBar: !touch.matches && !narrow.matches,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
  });

  // Exponential moving average, corrected for its start, where it would lean on a value that was never measured.
  function smoothed(values, weight) {
    let sum = 0;
    let share = 0;
    return values.map((value) => {
      sum = weight * sum + (1 - weight) * value;
      share = weight * share + (1 - weight);
      return sum / share;
    });
  }

  function curveTraces(metric, axis, weight) {
    return metric.series.flatMap((series) => {
      const x = series[axis];
      if (x === null) return [];
      const line = { color: colourOf(series.version), dash: dashOf(series.version), width: 2 };
      const mode = series.value.length > 60 ? "lines" : "lines+markers";
      const curve = { x, y: series.value, name: series.version, mode, line, marker: { size: 6 } };
      if (weight === 0 || series.value.length < 3) return [curve];
      return [
        { ...curve, mode: "lines", opacity: 0.25, showlegend: false, hoverinfo: "skip" },
        { ...curve, mode: "lines", y: smoothed(series.value, weight) },
      ];
    });
  }

  function drawCurves() {
    const metric = data.curves.find((curve) => curve.name === byId("metric").value);
    const axis = document.querySelector("input[name=axis]:checked").value;
    const weight = Number(byId("smoothing").value);
    const traces = curveTraces(metric, axis, weight);
    const title = axis === "step" ? "step" : "minutes since the first record";
    Plotly.react("curve", traces, layout(title, narrow.matches ? "" : metric.name), settings());
    const notes = [];
    for (const series of metric.series) {
      if (series.value.length < series.all) {
        const all = series.all.toLocaleString("en");
        notes.push(`${series.version}: ${series.value.length.toLocaleString("en")} of ${all} points, lows and highs kept`);
      }
      if (series[axis] === null) notes.push(`${series.version} did not record the time`);
    }
    const silent = data.versions.filter((version) => !metric.series.some((series) => series.version === version));
    if (silent.length) notes.push(`${silent.join(", ")} did not measure ${metric.name}`);
    byId("curve-note").textContent = notes.join(". ");
  }

  function drawSet() {
    const chosen = data.sets[Number(byId("set").value || 0)];
    const lines = (series, kind, dash, label) => ({
      x: chosen.centres, y: series[kind], name: `${series.version}, ${label}`, mode: "lines",
      line: { color: colourOf(series.version), dash, width: 2, shape: "hvh" }, legendgroup: series.version,
      showlegend: kind === "genuine",
    });
    const histogram = chosen.series.flatMap((series) => [
      lines(series, "genuine", "solid", "one person"), lines(series, "impostor", "dot", "two people"),
    ]);
    const roc = chosen.series.filter((series) => series.far.length).map((series) => ({
      x: series.far, y: series.tar, name: series.version, mode: "lines",
      line: { color: colourOf(series.version), dash: dashOf(series.version), width: 2, shape: "hv" },
    }));
    const share = { tickformat: ".0%" };
    Plotly.react("histogram", histogram.map((trace) => ({ ...trace, name: trace.name.replace(", one person", "") })),
      { ...layout("squared distance", narrow.matches ? "" : "share of pairs", { yaxis: share }), hovermode: "closest" }, settings());
    const least = Math.min(...chosen.series.flatMap((series) => series.far.filter((rate) => rate > 0)));
    const range = [Math.floor(Math.log10(Number.isFinite(least) ? least : 0.01)), 0];
    const rates = { type: "log", range, dtick: 1, tickformat: "~g" };
    Plotly.react("roc", roc, layout("false accept rate", narrow.matches ? "" : "true accept rate", { xaxis: rates, yaxis: share }), settings());
  }

  function offer(select, names, chosen) {
    names.forEach((name, position) => {
      const option = document.createElement("option");
      option.textContent = name;
      option.value = select.id === "set" ? String(position) : name;
      option.selected = name === chosen;
      select.append(option);
    });
  }

  function draw() {
    if (byId("curve")) drawCurves();
    if (byId("histogram")) drawSet();
  }

  if (!byId("curve") && !byId("histogram")) return;
  try {
    await loadPlotly();
  } catch (error) {
    if (byId("no-chart")) byId("no-chart").hidden = false;
    for (const chart of document.querySelectorAll(".chart")) chart.hidden = true;
    return;
  }
  if (byId("curve")) {
    offer(byId("metric"), data.curves.map((curve) => curve.name), data.selected);
    const timed = data.curves.some((curve) => curve.series.some((series) => series.minutes !== null));
    document.querySelector("input[value=minutes]").disabled = !timed;
    byId("metric").addEventListener("change", drawCurves);
    byId("smoothing").addEventListener("input", drawCurves);
    for (const choice of document.querySelectorAll("input[name=axis]")) choice.addEventListener("change", drawCurves);
  }
  if (byId("histogram")) {
    byId("set-choice").hidden = data.sets.length < 2;
    offer(byId("set"), data.sets.map((set) => set.name), data.sets[0].name);
    byId("set").addEventListener("change", drawSet);
  }
  draw();
  for (const query of [dark, narrow]) query.addEventListener("change", draw);
  document.documentElement.dataset.drawn = "true";
})();
