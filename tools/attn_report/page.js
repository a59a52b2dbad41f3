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
    const narrow = width < NARROW;
    // On a wide screen plotly's buttons are on the right of the title.
    const across = Math.min(width, visible) - (visible < NARROW ? 10 : 190);
    const title = wrap(figure.title, across, TITLE + 1);
    const small = wrap(figure.note ? figure.note + " " + figure.provenance : figure.provenance, across, SMALL);
    const top = 14 + title.length * 20 + small.length * 15 + 24;
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
      if (!trace.ids_) return trace;
      const hover = ids => ids.map(id => Array.isArray(id) ? hover(id) : id === null ? "" : cases.rows[id].hover);
      const drawn = {...trace, hovertext: hover(trace.ids_), hoverinfo: "text"};
      delete drawn.ids_;
      if (narrow && trace.type === "heatmap") drawn.showscale = false;
      return drawn;
    });
    return {data, layout};
  }

  const config = {
    displaylogo: false, responsive: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    toImageButtonOptions: {format: "svg", filename: "attnbench"},
  };

  async function draw(place, width) {
    const figure = figures[place.dataset.section][place.dataset.choice || 0];
    const across = Math.max(width, figure.minWidth);
    const {data, layout} = fitted(figure, across, width);
    await Plotly.react(place, data, layout, {...config, displayModeBar: across >= NARROW});
    place.style.zoom = width === PRINT_WIDTH && across > width ? width / across : "";
    place.dataset.drawn = figure.title;
    if (place.dataset.listening) return;
    place.dataset.listening = "yes";
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
      delete place.dataset.listening;
      draw(place, widthOf(place));
    });

  let drawnFor = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === drawnFor) return;
    drawnFor = window.innerWidth;
    drawAll();
  });
  window.addEventListener("beforeprint", () => drawAll(PRINT_WIDTH));
  window.addEventListener("afterprint", () => drawAll());

  // ---- table

  const SHOWN = 200;
  const table = document.getElementById("table"), body = table.tBodies[0], headings = table.tHead.rows[0];
  const search = document.getElementById("search"), status = document.getElementById("status");
  const more = document.getElementById("more"), count = document.getElementById("count");
  const texts = cases.rows.map(row => cases.columns.map(([key]) => row[key] ?? "").join(" ").toLowerCase());
  const columns = cases.columns.filter(([key]) => cases.rows.some(row => row[key] !== null && row[key] !== ""));
  let sortedBy = null, ascending = true, all = false;

  const formatted = (key, value) => value === null ? "" : key === "error" ? value.toExponential(1) : String(value);

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
    const found = cases.rows.map((_, index) => index).filter(index =>
      (!status.value || cases.rows[index].status === status.value) && words.every(word => texts[index].includes(word)));
    if (sortedBy) found.sort(compare);
    const shown = all ? found : found.slice(0, SHOWN);
    const rows = document.createDocumentFragment();
    for (const index of shown) {
      const row = document.createElement("tr");
      row.className = cases.rows[index].status + "-row";
      for (const [key, , number] of columns) {
        const cell = row.insertCell();
        cell.textContent = formatted(key, cases.rows[index][key]);
        cell.className = number ? "number" : key;
        if (key === "marks" && cases.rows[index].reasons) cell.title = cases.rows[index].reasons;
      }
      rows.append(row);
    }
    body.replaceChildren(rows);
    count.textContent = `${found.length} of ${cases.rows.length} cases` +
      (shown.length < found.length ? `, the first ${shown.length} shown` : "");
    more.hidden = shown.length === found.length;
    more.textContent = `Show all ${found.length}`;
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
  body.addEventListener("click", async event => {
    const cell = event.target.closest("td.command");
    if (!cell) return;
    // Pages opened from a file may lack the clipboard: then the text is selected, to be copied by hand.
    try { await navigator.clipboard.writeText(cell.textContent); cell.classList.add("copied"); }
    catch { window.getSelection().selectAllChildren(cell); }
  });

  fill();
  drawAll().then(() => { document.documentElement.dataset.ready = "yes"; });
})();
