import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def report(tmp_path):
    """Calls the report as tools/report does; a traceback is a failure whatever the exit code."""

    def call(*arguments, exits=0):
        done = subprocess.run([sys.executable, "-m", "attn_report", *map(str, arguments)], capture_output=True,
                              text=True, cwd=tmp_path, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == exits, done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    programs = [Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")]
    if not all(program.exists() for program in programs):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no chromium here; tools/setup --ci installs it")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    # The sandbox does not start for root, who runs this in containers; the page is our own.
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service(str(programs[1])), options=options)
    # A page that hangs fails its test.
    driver.set_script_timeout(30)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()
