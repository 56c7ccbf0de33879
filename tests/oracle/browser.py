#!/usr/bin/env python3
"""Opens reports in headless Chromium and fails where one is not what is promised: no error, no message, no request for anything,
A4 pages (exactly two a case, each with its foot; one or two a comparison), a cohort that can be sorted and searched.

    python3 tests/oracle/browser.py REPORT.html... [--pictures FOLDER]

Reports are what `pulmoseg segment`, `quantify --out` and `compare --out` wrote; a page with a table of cases is taken for a
cohort's, one with a table of changes for a comparison. Needs
chromium, pdfinfo, pdftotext and pdftoppm (poppler-utils); tried with Chromium 156 and poppler 22.12. No Python package. It talks
to the browser over --remote-debugging-pipe (Chrome DevTools Protocol, JSON ended by a zero byte)."""

import argparse
import base64
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time


class Browser:
    def __init__(self, profile):
        to_browser, self.out = os.pipe()
        self.inp, from_browser = os.pipe()

        def as_3_and_4():
            ends = os.dup(to_browser), os.dup(from_browser)
            os.dup2(ends[0], 3), os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=as_3_and_4, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.buffer, self.events, self.number = b"", [], 0

    def read(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.inp, 1 << 20)
            if not piece:
                raise SystemExit("the browser went away")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.read())

    def close(self):
        self.call("Browser.close")
        self.process.wait(30)


def faults(events, page):
    """What the browser complained of or asked for."""
    found = []
    for event in events:
        method, params = event.get("method"), event.get("params", {})
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            found.append(f"{method}: {json.dumps(params)[:300]}")
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if url != page and not url.startswith("data:"):
                found.append(f"asks for {url[:200]}")
    return found


def evaluate(browser, session, expression):
    result = browser.call("Runtime.evaluate", session, expression=expression, returnByValue=True)
    if "exceptionDetails" in result:
        return f"threw {result['exceptionDetails']['text']}"
    return result["result"].get("value")


SORTS = """(() => {
  const heads = [...document.querySelectorAll('#cases thead button')], times = [];
  const column = data.columns.findIndex(c => c.number);
  const cells = () => [...document.querySelectorAll('#cases tbody tr')].map(tr => tr.cells[column].textContent);
  for (const button of heads) { const start = performance.now(); button.click(); times.push(performance.now() - start); }
  heads[column].click();
  const values = cells().filter(t => t !== '').map(Number);
  const downwards = values.every((v, i) => i === 0 || values[i - 1] >= v);
  heads[column].click();
  const again = cells().filter(t => t !== '').map(Number);
  const upwards = again.every((v, i) => i === 0 || again[i - 1] <= v);
  const filter = document.getElementById('filter');
  filter.value = data.rows.at(-1)[0];
  filter.dispatchEvent(new Event('input'));
  const found = [...document.querySelectorAll('#cases tbody tr')].some(tr => tr.cells[0].textContent === data.rows.at(-1)[0]);
  filter.value = 'no such case anywhere';
  filter.dispatchEvent(new Event('input'));
  const none = document.querySelectorAll('#cases tbody tr').length;
  filter.value = '';
  filter.dispatchEvent(new Event('input'));
  return {downwards, upwards, found, none, cases: data.rows.length, slowest_ms: Math.round(Math.max(...times))};
})()"""


def pages_of(pdf, kind):
    info = subprocess.run(["pdfinfo", pdf], capture_output=True, text=True, check=True).stdout
    pages, size = int(re.search(r"Pages:\s+(\d+)", info)[1]), re.search(r"Page size:\s+(.*)", info)[1]
    found = [] if "A4" in size else [f"prints on {size}"]
    if kind == "comparison" and pages > 2:
        found.append(f"prints on {pages} pages")
    if kind == "case":
        if pages != 2:
            found.append(f"prints on {pages} pages")
        for page in (1, 2):
            text = subprocess.run(["pdftotext", "-f", str(page), "-l", str(page), pdf, "-"], capture_output=True, text=True).stdout
            for words in (f"page {page} of 2", "Research use only. Not a medical device."):
                if words not in text:
                    found.append(f'page {page} does not say "{words}"')
    return pages, found


def check(browser, file, folder):
    page = file.resolve().as_uri()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Network", "Log", "Runtime", "Page"):
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=1440, height=900, deviceScaleFactor=1, mobile=False)
    browser.events.clear()
    start = time.monotonic()
    browser.call("Page.navigate", session, url=page)
    browser.wait("Page.loadEventFired")
    opened = time.monotonic() - start
    shot = browser.call("Page.captureScreenshot", session, format="png")["data"]
    (folder / f"{file.stem}-screen.png").write_bytes(base64.b64decode(shot))

    facts = {"opened_s": round(opened, 2), "bytes": file.stat().st_size}
    found = []
    if evaluate(browser, session, "document.documentElement.scrollWidth > innerWidth"):
        found.append("is wider than the window")
    kind = evaluate(browser, session, "document.getElementById('cases') ? 'cohort' : document.querySelector('.compared') ? "
                    "'comparison' : 'case'")
    if kind == "cohort":
        sorts = evaluate(browser, session, SORTS)
        facts["cohort"] = sorts
        if not isinstance(sorts, dict) or sorts["cases"] and not (
                sorts["downwards"] and sorts["upwards"] and sorts["found"] and sorts["none"] == 0):
            found.append(f"does not sort or search: {sorts}")
    pdf = folder / f"{file.stem}.pdf"
    printed = browser.call("Page.printToPDF", session, preferCSSPageSize=True, printBackground=True)["data"]
    pdf.write_bytes(base64.b64decode(printed))
    facts["pages"], of_pages = pages_of(pdf, kind)
    subprocess.run(["pdftoppm", "-r", "100", "-png", pdf, folder / f"{file.stem}-page"], check=True)
    found += of_pages + faults(browser.events, page)
    browser.call("Target.closeTarget", targetId=target)
    return facts, found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path, help="folder for screenshots, PDF and its pages")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.pictures or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        browser = Browser(pathlib.Path(scratch) / "profile")
        for file in arguments.reports:
            facts, found = check(browser, file, folder)
            print(f"{file.name}: {json.dumps(facts)}")
            for fault in found:
                print(f"  FAULT {fault}")
            failed = failed or bool(found)
        browser.close()
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
