"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures-data").textContent);
  const cases = JSON.parse(document.getElementById("cases-data").textContent);
  const PRINT_WIDTH = 680, NARROW = 640;
  const TITLE = 15, SMALL = 11;  // font sizes, in pixels

  // ---- plots

  // Plotly does not break lines.
  function wrap(text, width, size) {
    const most = Math.max(20, Math.floor(width / (size * 0.54)));
    const lines = [""];
    for (const word of text.split(" ")) {
      const last = lines[lines.length - 1];
      if (last && last.length + 1 + word.length > most) lines.push(word);
      else lines[lines.length - 1] = last ? last + " " + word : word;
    }
    return lines;
  }

  const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

  // The figure for a width: title, legend and margins take as many lines as they need there.
  function fitted(figure, width, visible) {
    const narrow = visible < NARROW;
    // On a wide screen plotly's buttons are on the right of the title.
    const across = Math.min(width, visible) - (visible < NARROW ? 10 : 190);
    const title = wrap(figure.title, across, TITLE + 1);
    const told = [figure.note, figure.provenance].filter(Boolean).join(" ");
    const small = told ? wrap(told, across, SMALL) : [];
    const top = 14 + title.length * 20 + small.length * 15 + 18;
    const names = figure.data.filter(trace => trace.name && trace.showlegend !== false && trace.type === "scatter")
      .map(trace => trace.name);
    const columns = Math.max(1, Math.floor((width - 20) / (52 + 7 * Math.max(0, ...names.map(name => name.length)))));
    const below = names.length && narrow ? Math.ceil(names.length / columns) * 20 + 16 : 0;
    const beside = narrow ? 0 : names.length * 20 + 10;  // a legend that does not fit would scroll
    const bottom = 52 + below;
    const layout = structuredClone(figure.layout);
    Object.assign(layout, {
      width, height: Math.max((width === PRINT_WIDTH ? 0.8 : 1) * figure.height, beside) + top + bottom, autosize: false,
      // On a phone a finger on the plot is to scroll the page.
      dragmode: narrow ? false : "zoom",
      margin: {t: top, b: bottom, l: 56, r: 20, pad: 0},
      title: {
        text: `<b>${title.map(escaped).join("<br>")}</b><br>` +
          `<span style="font-size:${SMALL}px;color:#5c5c5c">${small.map(escaped).join("<br>")}</span>`,
        font: {size: TITLE}, x: 0, xanchor: "left", xref: "container", y: 1, yanchor: "top", yref: "container",
        pad: {t: 12, l: 4}, automargin: false,
      },
      legend: narrow
        ? {tracegroupgap: 0, orientation: "h", x: 0, xanchor: "left", xref: "container", y: 0, yanchor: "bottom", yref: "container"}
        : {tracegroupgap: 0, x: figure.right.length ? 1.09 : 1.02, xanchor: "left", y: 1, yanchor: "top"},
    });
    const data = figure.data.map(trace => {
      // Two blanks part what a narrow plot has no room for.
      if (narrow && trace.mode === "text") return {...trace, text: trace.text.map(text => text.split("  ")[0])};
      if (!trace.customdata) return trace;
      const hover = ids => ids.map(id => Array.isArray(id) ? hover(id) : id === null ? "" : cases.rows[id].hover);
      const drawn = {...trace, hovertext: hover(trace.customdata), hoverinfo: "text"};
      if (narrow && trace.type === "heatmap") drawn.showscale = false;
      return drawn;
    });
    if (narrow) shortenLabels(data, layout);
    return {data, layout};
  }

  // Names of problems in lines of at most LABEL letters, broken between keys: on a phone they would take the whole screen.
  const LABEL = 17;
  function shortened(text) {
    return text.split("<br>").flatMap(line => {
      const parts = [""];
      for (const key of line.split(/(?<=\/)/)) {
        if (parts.at(-1) && (parts.at(-1) + key).length > LABEL) parts.push(key);
        else parts[parts.length - 1] += key;
      }
      return parts;
    }).join("<br>");
  }

  function shortenLabels(data, layout) {
    for (const trace of data) if (typeof trace.y?.[0] === "string") trace.y = trace.y.map(shortened);
    if (layout.yaxis.ticktext) layout.yaxis.ticktext = layout.yaxis.ticktext.map(shortened);
    layout.yaxis.tickfont = {size: 10};
  }

  const config = {
    displaylogo: false, responsive: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    toImageButtonOptions: {format: "svg", filename: "attnbench"},
  };

  async function draw(place, width) {
    const figure = figures[place.dataset.section][place.dataset.choice || 0];
    const across = Math.max(width, width < NARROW ? Math.min(figure.minWidth, figure.narrowWidth) : figure.minWidth);
    const {data, layout} = fitted(figure, across, width);
    await Plotly.react(place, data, layout, {...config, displayModeBar: across >= NARROW});
    place.style.zoom = width === PRINT_WIDTH && across > width ? width / across : "";
    place.dataset.drawn = figure.title;
    if (place.dataset.listening) return;
    place.dataset.listening = "yes";
    place.on("plotly_click", event => {
      const id = event.points[0].customdata;
      if (typeof id === "number") drawPasses(id, place.closest("section").querySelector(".passes"));
    });
    // The right axis is the left one in another unit, zoomed or not.
    place.on("plotly_relayout", () => {
      const shown = figures[place.dataset.section][place.dataset.choice || 0];
      for (const {axis, of, factor} of shown.right) {
        const range = place._fullLayout[of].range.map(end => end * factor);
        const now = place._fullLayout[axis].range;
        if (Math.abs(range[0] - now[0]) + Math.abs(range[1] - now[1]) > 1e-6 * Math.abs(range[1] - range[0]))
          Plotly.relayout(place, {[axis + ".range"]: range});
      }
    });
  }

  const places = [...document.querySelectorAll(".plot")];
  const widthOf = place => Math.max(280, place.parentElement.clientWidth);
  const drawAll = width => Promise.all(places.map(place => draw(place, width || widthOf(place))));

  for (const select of document.querySelectorAll("select[data-section]"))
    select.addEventListener("change", () => {
      const place = document.querySelector(`.plot[data-section=${select.dataset.section}]`);
      place.dataset.choice = select.value;
      // A plot of other axes: nothing of the zoom of the last one is to stay.
      Plotly.purge(place);
      place.closest("section").querySelector(".passes").replaceChildren();
      delete place.dataset.listening;
      draw(place, widthOf(place)).then(hintAtScrolling);
    });

  let drawnFor = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === drawnFor) return;
    drawnFor = window.innerWidth;
    for (const shown of document.querySelectorAll(".passes")) shown.replaceChildren();
    for (const detail of document.querySelectorAll("tr.detail")) detail.remove();
    drawAll().then(hintAtScrolling);
  });
  window.addEventListener("beforeprint", () => drawAll(PRINT_WIDTH));
  window.addEventListener("afterprint", () => drawAll());

  // ---- the passes of one case, beside those of the fastest of its problem

  const contest = row => [row.run, row.problem, row.threads].join(" ");

  function drawPasses(index, place) {
    const own = cases.rows[index];
    const lead = cases.rows.find(row => row !== own && row.front && row.passes && contest(row) === contest(own));
    const box = document.createElement("div"), text = document.createElement("p");
    text.textContent = own.passes
      ? `${own.passes.length} passes of ${own.variant} ${own.isa}, ${own.problem}` + (lead ? `; below, the fastest beside it` : "")
      : `${own.variant} ${own.isa}, ${own.problem}: one figure, no distribution of passes`;
    place.replaceChildren(text);
    if (!own.passes) return;
    place.append(box);
    const width = Math.max(280, Math.min(900, place.clientWidth));
    const traces = [lead, own].filter(Boolean).map(row => ({
      type: "box", x: row.passes, y0: `${row.variant} ${row.isa}`, orientation: "h", boxpoints: "all", pointpos: 0, jitter: 0.5,
      fillcolor: "rgba(0,0,0,0.04)", line: {color: "#777777", width: 1.2}, hoverinfo: "x", showlegend: false,
      marker: {color: cases.colours[row.variant], size: 7, opacity: 0.8},
    }));
    Plotly.newPlot(box, traces, {
      width, height: 70 + 60 * traces.length, margin: {l: 20, r: 20, t: 4, b: 44}, boxgap: 0.2, plot_bgcolor: "white",
      font: {size: 12, color: "#222222"}, dragmode: false, yaxis: {automargin: true, fixedrange: true},
      xaxis: {title: {text: "GFLOP/s", standoff: 8}, gridcolor: "#E4E4E4", zeroline: false, fixedrange: true, ticks: "outside"},
    }, {displayModeBar: false, responsive: false});
  }

  // ---- table

  const SHOWN = 200;
  const table = document.getElementById("table"), body = table.tBodies[0], headings = table.tHead.rows[0];
  const search = document.getElementById("search"), status = document.getElementById("status");
  const more = document.getElementById("more"), count = document.getElementById("count");
  const texts = cases.rows.map(row => cases.columns.map(([key]) => row.shown?.[key] ?? row[key] ?? "").join(" ").toLowerCase());
  const columns = cases.columns.filter(([key]) => cases.rows.some(row => row[key] !== null && row[key] !== ""));
  let sortedBy = null, ascending = true, all = false;

  function fillCell(cell, key, row) {
    const value = row[key];
    if (key === "problem") {  // may be broken between keys
      value.split("/").forEach((part, at) => cell.append(...(at ? ["/", document.createElement("wbr")] : []), part));
    } else if (key === "command") {
      if (!value) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "copy";
      button.title = value;
      cell.append(button);
    } else {
      cell.textContent = row.shown?.[key] ?? value ?? "";
    }
    if (key === "marks" && row.reasons) cell.title = row.reasons;
  }

  // Below a row, or away again: its passes, and its command in full.
  function toggleDetail(row) {
    if (row.nextElementSibling?.className === "detail") { row.nextElementSibling.remove(); return null; }
    const detail = document.createElement("tr"), content = document.createElement("div"), passes = document.createElement("div");
    const command = document.createElement("code");
    detail.className = "detail";
    const cell = detail.insertCell();
    cell.colSpan = columns.length;
    cell.append(content);
    // As wide as is seen, wherever the table is scrolled to.
    content.style.width = `${table.parentElement.clientWidth - 10}px`;
    passes.className = "passes";
    command.textContent = cases.rows[row.dataset.index].command;
    content.append(passes, command);
    row.after(detail);
    drawPasses(Number(row.dataset.index), passes);
    return command;
  }

  // Rows without a value come last in either direction.
  function compare(a, b) {
    const [x, y] = [cases.rows[a][sortedBy], cases.rows[b][sortedBy]];
    const [noX, noY] = [x === null || x === "", y === null || y === ""];
    if (noX || noY) return noX - noY || a - b;
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", {numeric: true});
    return (ascending ? order : -order) || a - b;
  }

  function fill() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = cases.order.filter(index =>
      (!status.value || cases.rows[index].status === status.value) && words.every(word => texts[index].includes(word)));
    if (sortedBy) found.sort(compare);
    const shown = all ? found : found.slice(0, SHOWN);
    const rows = document.createDocumentFragment();
    let before = null;
    for (const index of shown) {
      const row = document.createElement("tr"), known = cases.rows[index];
      row.className = known.status + "-row" + (known.front ? " front" : "");
      row.dataset.index = index;
      row.tabIndex = 0;
      // Problem by problem: each is named once, and parted from the one before.
      if (!sortedBy) row.classList.add(before && contest(before) === contest(known) ? "same" : "first");
      before = known;
      for (const [key, , number] of columns) {
        const cell = row.insertCell();
        fillCell(cell, key, known);
        cell.className = number ? `${key} number` : key;
      }
      rows.append(row);
    }
    body.replaceChildren(rows);
    count.textContent = `${found.length} of ${cases.rows.length} cases` +
      (shown.length < found.length ? `, the first ${shown.length} shown` : "");
    more.hidden = shown.length === found.length;
    more.textContent = `Show all ${found.length}`;
    hintAtScrolling();
  }

  for (const [key, heading, number] of columns) {
    const cell = document.createElement("th");
    cell.textContent = heading;
    cell.scope = "col";
    cell.tabIndex = 0;
    cell.dataset.key = key;
    if (number) cell.className = "number";
    const sort = () => {
      // Of numbers the largest is asked for first.
      ascending = sortedBy === key ? !ascending : !number;
      sortedBy = key;
      for (const other of headings.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      fill();
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
    headings.append(cell);
  }
  search.addEventListener("input", fill);
  status.addEventListener("change", fill);
  more.addEventListener("click", () => { all = true; fill(); });
  async function copy(button, row) {
    const text = cases.rows[row.dataset.index].command;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      // Pages opened from a file may lack the clipboard: then the text is shown and selected, to be copied by hand.
      const shown = row.nextElementSibling?.className === "detail" ? row.nextElementSibling.querySelector("code") : toggleDetail(row);
      window.getSelection().selectAllChildren(shown);
    }
  }

  body.addEventListener("click", event => {
    const row = event.target.closest("tr[data-index]"), button = event.target.closest("button");
    if (button) copy(button, row);
    else if (row && window.getSelection().isCollapsed) toggleDetail(row);  // who selects text wants that
  });
  body.addEventListener("keydown", event => {
    if (event.key === "Enter" && event.target.matches("tr[data-index]")) toggleDetail(event.target);
  });

  // What is wider than its place says so: scroll bars are hidden on phones.
  function hintAtScrolling() {
    for (const place of document.querySelectorAll(".scroll"))
      place.classList.toggle("wider", place.scrollWidth > place.clientWidth + 1);
  }

  fill();
  drawAll().then(() => { hintAtScrolling(); document.documentElement.dataset.ready = "yes"; });
})();
