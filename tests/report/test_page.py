"""The page in a real browser: it draws every plot that it offers, quietly, within its bounds, and its table works."""

import base64
import os
import time
from pathlib import Path

import pytest
from fixtures import OTHER_MACHINE, RECORDED, document, many, rich, row, write

WIDTHS = {"desktop": 1280, "phone": 390}
LARGEST_BYTES = 8_000_000

# Texts of the plots that leave their plot, by more than a rounding.
CLIPPED = """
return [...document.querySelectorAll('.plot')].flatMap(plot => {
  const box = plot.querySelector('.svg-container').getBoundingClientRect();
  return [...plot.querySelectorAll('.main-svg text')].filter(text => {
    const own = text.getBoundingClientRect();
    return own.width > 0 && (own.left < box.left - 2 || own.right > box.right + 2 || own.top < box.top - 2 ||
                             own.bottom > box.bottom + 2);
  }).map(text => plot.dataset.section + ': ' + text.textContent);
});
"""
# Texts of axes, legends and titles that lie on one another.
OVERLAPPING = """
return [...document.querySelectorAll('.plot')].flatMap(plot => {
  const texts = [...plot.querySelectorAll('.gtitle, .xtitle, .ytitle, .y2title, .y3title, .legendtext, .xtick text, .ytick text')];
  const boxes = texts.map(text => [text, text.getBoundingClientRect()]).filter(([text, box]) => box.width > 0 &&
    getComputedStyle(text).opacity > 0 && text.textContent.trim());
  return boxes.flatMap(([a, p], at) => boxes.slice(at + 1).filter(([b, q]) => !/rotate\\((?!0)/.test(
      (a.getAttribute('transform') || '') + (b.getAttribute('transform') || '')) &&
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3)
    .map(([b]) => plot.dataset.section + ': ' + a.textContent + ' | ' + b.textContent));
});
"""
DRAWN = """
return [...document.querySelectorAll('.plot')].map(plot => [plot.dataset.section, plot.dataset.drawn || '',
  plot.querySelectorAll('.main-svg .trace, .main-svg .bars, .main-svg .hm').length,
  plot.querySelector('.gtitle') ? plot.querySelector('.gtitle').textContent : '']);
"""


def wait(driver, condition, what):
    deadline = time.monotonic() + 30
    while not driver.execute_script(f"return {condition}"):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def open_page(driver, path, width=1280):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
    driver.get(Path(path).resolve().as_uri())
    wait(driver, "document.documentElement.dataset.ready === 'yes'", "the page says that it is ready")


def complaints(driver):
    return [entry["message"] for entry in driver.get_log("browser")]


def screenshot(driver, name):
    folder = os.environ.get("ATTN_SCREENSHOTS")
    if folder:
        height = driver.execute_script("return document.documentElement.scrollHeight")
        width = driver.execute_script("return window.innerWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        keep(f"{name}.png", shot["data"])


def keep(name, data):
    Path(os.environ["ATTN_SCREENSHOTS"]).mkdir(parents=True, exist_ok=True)
    (Path(os.environ["ATTN_SCREENSHOTS"]) / name).write_bytes(base64.b64decode(data))


@pytest.fixture
def rich_page(report, tmp_path):
    report(write(tmp_path, rich()), OTHER_MACHINE, "-o", "rich.html")
    return tmp_path / "rich.html"


def assert_all_drawn(driver, sections):
    state = driver.execute_script(DRAWN)
    assert [section for section, *_ in state] == sections
    for section, drawn, traces, title in state:
        assert traces > 0 and drawn, f"{section} is empty"
        assert title.replace(" ", "").startswith(drawn.replace(" ", "")), section


ALL = ["heatmap", "seqlen", "roofline", "ladder", "peers", "threads", "accuracy", "runs"]


@pytest.mark.parametrize("form", WIDTHS)
@pytest.mark.parametrize("results, sections", [
    ([RECORDED], ["heatmap", "roofline", "ladder", "accuracy"]),
    ([RECORDED, OTHER_MACHINE], ["heatmap", "roofline", "ladder", "accuracy", "runs"]),
])
def test_recorded_results_are_drawn(browser, report, tmp_path, results, sections, form):
    report(*results, "-o", "page.html")
    open_page(browser, tmp_path / "page.html", WIDTHS[form])
    assert_all_drawn(browser, sections)
    assert browser.execute_script(CLIPPED) == []
    assert complaints(browser) == []
    screenshot(browser, f"recorded-{len(results)}-{form}")


@pytest.mark.parametrize("form", WIDTHS)
def test_every_plot_that_is_offered_is_drawn_within_its_bounds(browser, rich_page, form):
    open_page(browser, rich_page, WIDTHS[form])
    assert_all_drawn(browser, ALL)
    screenshot(browser, f"rich-{form}")
    count = 0
    for section in ALL:
        # Enough of each kind; the figures of one section differ in data alone.
        for choice in range(min(4, browser.execute_script(
                f"return document.querySelectorAll('select[data-section={section}] option').length"))):
            browser.execute_script(f"""
              const select = document.querySelector('select[data-section={section}]');
              delete document.querySelector('.plot[data-section={section}]').dataset.drawn;
              select.value = '{choice}'; select.dispatchEvent(new Event('change'));""")
            wait(browser, f"document.querySelector('.plot[data-section={section}]').dataset.drawn", f"{section} {choice}")
            assert browser.execute_script(CLIPPED) == []
            assert browser.execute_script(OVERLAPPING) == []
            count += 1
        assert_all_drawn(browser, ALL)
    assert count > 20
    assert complaints(browser) == []
    # The page itself does not scroll sideways; wide tables and plots do within.
    assert browser.execute_script("return document.documentElement.scrollWidth") <= WIDTHS[form]


def test_nothing_is_fetched(browser, rich_page):
    open_page(browser, rich_page)
    assert browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def test_a_point_tells_its_case(browser, rich_page):
    open_page(browser, rich_page)
    texts = browser.execute_script("""
      return document.querySelector('.plot[data-section=ladder]').data.find(trace => trace.type === 'bar').hovertext""")
    assert any("<b>flash</b> avx512" in text and "GFLOP/s" in text and "allowed" in text for text in texts)


def test_the_right_axis_follows_a_zoom(browser, rich_page):
    open_page(browser, rich_page)
    browser.execute_script("Plotly.relayout(document.querySelector('.plot[data-section=seqlen]'), {'yaxis.range': [50, 100]})")
    wait(browser, """(layout => Math.abs(layout.yaxis2.range[1] / layout.yaxis2.range[0] - 2) < 1e-6)(
         document.querySelector('.plot[data-section=seqlen]')._fullLayout)""", "the right axis shows twice as far too")


def column(driver, key):
    return driver.execute_script("""
      const at = [...document.querySelectorAll('#table th')].findIndex(cell => cell.dataset.key === arguments[0]);
      return [...document.querySelectorAll('#table tr[data-index]')].map(row => row.cells[at].textContent);""", key)


def commands(driver):
    return driver.execute_script("return [...document.querySelectorAll('#table td.command button')].map(button => button.title)")


def click(driver, key):
    driver.execute_script("document.querySelector(`#table th[data-key=${arguments[0]}]`).click()", key)


def test_the_table_sorts_and_searches(browser, rich_page):
    open_page(browser, rich_page)
    unsorted = column(browser, "gflops")
    click(browser, "gflops")
    speeds = column(browser, "gflops")
    numbers = [float(text) for text in speeds if text]
    assert len(numbers) > 100 and numbers == sorted(numbers, reverse=True) and speeds != unsorted
    assert "" not in speeds[:len(numbers)], "rows without a figure come last"
    click(browser, "gflops")
    numbers = [float(text) for text in column(browser, "gflops") if text]
    assert numbers == sorted(numbers)
    click(browser, "variant")
    names = column(browser, "variant")
    assert names == sorted(names)
    assert browser.execute_script("return document.querySelector('#table th[data-key=variant]').ariaSort") == "ascending"

    browser.execute_script("""const search = document.getElementById('search');
      search.value = 'Torch causal'; search.dispatchEvent(new Event('input'));""")
    assert set(column(browser, "variant")) == {"torch"}
    assert all("mask:causal" in problem for problem in column(browser, "problem"))
    assert all("conversion of 0.012 s, not timed" in note for note in column(browser, "note"))
    browser.execute_script("""document.getElementById('search').value = '';
      const status = document.getElementById('status');
      status.value = 'skipped'; status.dispatchEvent(new Event('change'));""")
    assert column(browser, "note") == ["no variant", "naive does not support: threads"]
    browser.execute_script("""const status = document.getElementById('status');
      status.value = 'failed'; status.dispatchEvent(new Event('change'));""")
    assert column(browser, "note") == ["error 3e-2 at o[0,1,2,3] <b>"]
    assert commands(browser) == ["attnbench verify --problem h:12/q:1024/d:64/cache:cold --variants lazy_max "
                                 "--isa avx512 --threads 1 --seed 1"]
    assert complaints(browser) == []


def test_a_mark_tells_its_reason_to_who_points_at_it(browser, report, tmp_path):
    marks = {"unsteady": "passes from 66 to 92", "suspect_threads": "1.0 of <2>"}
    rows = [row("naive", gflops=10, standing="behind"), row("flash", marks=marks, standing="fastest")]
    report(write(tmp_path, document(rows)), "-o", "page.html")
    open_page(browser, tmp_path / "page.html")
    assert column(browser, "marks") == ["unsteady, suspect threads", ""]
    assert column(browser, "standing") == ["fastest", "behind"]
    assert browser.execute_script("return [...document.querySelectorAll('#table td.marks')].map(cell => cell.title)") == [
        "unsteady: passes from 66 to 92; suspect threads: 1.0 of <2>", ""]
    assert "1 of 2 rows are marked" in browser.find_element("class name", "marked").text
    assert complaints(browser) == []


def test_the_table_opens_with_the_fastest_of_each_problem_and_fits_its_place(browser, rich_page):
    open_page(browser, rich_page, 1400)
    rows = browser.execute_script("""
      return [...document.querySelectorAll('#table tr[data-index]')].slice(0, 80).map(row => [row.classList.contains('first'),
        row.classList.contains('front'), Number(row.querySelector('.gflops').textContent)])""")
    assert rows[0][0] and sum(opens for opens, *_ in rows) > 3
    for (_, _, before), (opens, _, speed) in zip(rows, rows[1:]):
        assert opens or speed <= before
    assert all(front for opens, front, _ in rows if opens)
    assert {text.split(" ")[1] for text in column(browser, "time_us") if text} == {"µs", "ms"}
    wider = "return [...document.querySelectorAll('.scroll')].filter(place => place.scrollWidth > place.clientWidth + 1).length"
    assert browser.execute_script(wider) == 0
    open_page(browser, rich_page, 400)
    hints = """return [...document.querySelectorAll('.scroll')].filter(place => (place.scrollWidth > place.clientWidth + 1) !==
      getComputedStyle(place, '::before').content.includes('scroll')).length"""
    assert browser.execute_script(wider) > 0 and browser.execute_script(hints) == 0


def shown_passes(driver, within):
    return driver.execute_script("""
      const place = document.querySelector(arguments[0] + ' .passes'), plot = place?.querySelector('.js-plotly-plot');
      return place && [place.querySelector('p')?.textContent ?? '', plot ? plot.data.map(trace => trace.x.length) : []]""", within)


def test_a_click_shows_the_passes_of_a_case_and_another_hides_them(browser, rich_page):
    open_page(browser, rich_page)
    at = column(browser, "reps").index("7") + 1  # the second of its problem
    row = f"document.querySelectorAll('#table tr[data-index]')[{at}].click()"
    browser.execute_script(row)
    text, counts = shown_passes(browser, "#table tr.detail")
    assert text.startswith("7 passes of ") and counts == [7, 7], "its own and those of the fastest beside it"
    assert browser.execute_script("return document.querySelector('#table tr.detail code').textContent") == commands(browser)[at]
    browser.execute_script(row)
    assert shown_passes(browser, "#table") is None
    browser.execute_script("""document.querySelector('.plot[data-section=ladder]').emit('plotly_click', {points: [
      {customdata: document.querySelector('.plot[data-section=ladder]').data[0].customdata[0]}]})""")
    assert shown_passes(browser, "#ladder")[0].startswith("7 passes of naive avx512, h:")
    assert complaints(browser) == []


def test_a_case_of_one_pass_says_so(browser, report, tmp_path):
    report(write(tmp_path, document([row("flash")])), "-o", "page.html")
    open_page(browser, tmp_path / "page.html")
    browser.execute_script("document.querySelector('#table tr[data-index]').click()")
    assert shown_passes(browser, "#table") == ["flash avx512, h:12/q:1024/d:64: one figure, no distribution of passes", []]


@pytest.mark.parametrize("clipboard, said, selected", [
    ("{writeText: async text => { window.copied = text; }}", "copied", False), ("undefined", "copy", True)])
def test_a_button_copies_the_command_or_selects_it(browser, report, tmp_path, clipboard, said, selected):
    report(write(tmp_path, document([row("flash")])), "-o", "page.html")
    open_page(browser, tmp_path / "page.html")
    command, = commands(browser)
    browser.execute_script(f"""Object.defineProperty(navigator, 'clipboard', {{value: {clipboard}, configurable: true}});
      document.querySelector('#table td.command button').click();""")
    wait(browser, "window.copied || String(window.getSelection())", "the command is copied or selected")
    assert browser.execute_script("return document.querySelector('#table td.command button').textContent") == said
    assert browser.execute_script("return String(window.getSelection()) || window.copied") == command
    assert (browser.execute_script("return document.querySelector('#table tr.detail')") is not None) == selected


def test_labels_of_roofs_are_apart(browser, rich_page):
    open_page(browser, rich_page, 400)
    browser.execute_script("""const select = document.querySelector('select[data-section=roofline]');
      delete document.querySelector('.plot[data-section=roofline]').dataset.drawn;
      select.value = [...select.options].findIndex(option => option.text.includes('roofline')); select.dispatchEvent(new Event('change'));""")
    wait(browser, "document.querySelector('.plot[data-section=roofline]').dataset.drawn", "the roofline")
    assert browser.execute_script("""
      const boxes = [...document.querySelectorAll('.plot[data-section=roofline] .annotation-text')].map(text => text.getBoundingClientRect());
      return boxes.filter((p, at) => boxes.slice(at + 1).some(q => Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 &&
        Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3)).length + 100 * (boxes.length < 3)""") == 0


def test_old_files_have_no_empty_columns(browser, report, tmp_path):
    report(RECORDED, "-o", "page.html")
    open_page(browser, tmp_path / "page.html")
    keys = browser.execute_script("return [...document.querySelectorAll('#table th')].map(cell => cell.dataset.key)")
    assert "gflops" in keys and not {"marks", "standing"} & set(keys)


def test_paper_takes_every_plot(browser, rich_page):
    open_page(browser, rich_page)
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    wait(browser, "[...document.querySelectorAll('.plot .svg-container')].every(box => "
         "box.getBoundingClientRect().width <= 681)", "the plots are as wide as paper")
    pdf = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True,
                                                      "paperWidth": 8.27, "paperHeight": 11.69})["data"]
    assert base64.b64decode(pdf).startswith(b"%PDF")
    if os.environ.get("ATTN_SCREENSHOTS"):
        keep("rich-print.pdf", pdf)
    assert complaints(browser) == []


@pytest.mark.parametrize("count", [1, 2000])
def test_many_rows_are_a_page_of_bearable_size(browser, report, tmp_path, count):
    path = write(tmp_path, many(count))
    report(path, "-o", "page.html")
    assert (tmp_path / "page.html").stat().st_size < LARGEST_BYTES * max(1, count / 1000)
    open_page(browser, tmp_path / "page.html")
    assert complaints(browser) == []
    click(browser, "gflops")
    browser.execute_script("document.getElementById('more').click()")
    assert len(column(browser, "gflops")) == count
