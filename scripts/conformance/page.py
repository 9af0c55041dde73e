#!/usr/bin/env python3
"""The page of `quern serve --http` in headless Chromium: a chat streams, the figures move, the console stays empty.

    pip install playwright==1.65.2        # any installed Chromium serves: --chromium PATH
    quern serve MODEL --http 127.0.0.1:8080 &
    scripts/conformance/page.py http://127.0.0.1:8080 --screenshots FOLDER
"""
import argparse
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("address")
parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
parser.add_argument("--screenshots", type=pathlib.Path, help="write pictures of the page to this folder")
options = parser.parse_args()

failures = []


def check(holds, what):
    print(f"{'ok  ' if holds else 'FAIL'} {what}")
    if not holds:
        failures.append(what)


def await_text(page, selector, holds):
    """The page's own policy forbids evaluating functions in it, so the text is asked for again and again."""
    for _ in range(100):
        if holds(page.locator(selector).inner_text()):
            return
        page.wait_for_timeout(100)
    check(False, f"{selector} becomes what is awaited; it is {page.locator(selector).inner_text()}")


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1180, "height": 760})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(options.address)
    await_text(page, "#running", lambda text: text != "–")
    check(page.locator("#what").inner_text() != "", f"the page names what it serves: {page.locator('#what').inner_text()}")

    page.fill("#prompt", "Write a long story about a mill, a miller and a river.")
    page.press("#prompt", "Enter")
    lengths = []
    for _ in range(20):
        page.wait_for_timeout(200)
        lengths.append(len(page.locator("#talk").inner_text()))
    growing = sum(b > a for a, b in zip(lengths, lengths[1:]))
    check(growing >= 5, f"the answer streams: it grew in {growing} of 19 fifths of a second, to {lengths[-1]} characters")
    await_text(page, "#rate", lambda text: text not in ("–", "0"))
    for name in ("rate", "prompts", "bandwidth", "running", "waiting", "first"):
        text = page.locator(f"#{name}").inner_text()
        check(text not in ("", "NaN") and "undefined" not in text, f"{name} is {text}")
    rates = set()
    for _ in range(12):
        page.wait_for_timeout(250)
        rates.add(page.locator("#rate").inner_text())
    check(len(rates) > 1, f"the rate moves: {sorted(rates)}")
    has_device = "No device profile" not in page.locator("#walls").inner_text()     # `quern calibrate`, or `serve --device`
    for name in ("history", "roofline") if has_device else ("history",):
        shapes = page.locator(f"#{name} *").count()
        check(shapes > 2, f"{name} is drawn with {shapes} shapes")
    check(page.locator("#blocks *").count() > 0, "the map of keys and values is drawn")
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=options.screenshots / "page.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=options.screenshots / "page-dark.png")
        page.set_viewport_size({"width": 420, "height": 900})
        page.screenshot(path=options.screenshots / "page-narrow.png")
    away = [url for url in asked if not url.startswith(options.address)]
    check(not away, f"nothing is asked of other hosts {away}")
    check(not said, f"the console is empty {said}")
    browser.close()
sys.exit(1 if failures else 0)
