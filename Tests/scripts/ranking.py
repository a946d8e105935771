#!/usr/bin/env python3
"""A blinded reading from images to tests: pages driven in headless Chromium, exported, analysed, compared with SciPy."""

import base64
import itertools
import json
import re
import shutil
import time

import numpy as np
import scipy.stats
from recon_support import Scratch, check
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TECHNIQUES = ["Zerofilled-marker", "Unet-marker", "Resnet-marker", "Truth-marker"]
CASES = {"patient-seven": (6, 24, 16), "patient-nine": (24, 16), "patient-two": (3, 20, 20)}
scratch = Scratch()
random = np.random.default_rng(11)


def until(condition, what):
    """Waits for something that the browser does by itself, for a minute at most."""
    began = time.monotonic()
    while not condition():
        check(time.monotonic() - began < 60, what)
        time.sleep(0.03)


def make_images():
    for technique in TECHNIQUES:
        (scratch.path / technique).mkdir()
        for case, shape in CASES.items():
            np.save(scratch.path / technique / f"{case}.npy", random.random(shape).astype(np.float32))


def make_session(output, seed, *options):
    named = [f"{name}={name}" for name in TECHNIQUES]
    scratch.succeed("rank", "make", *named, "--readers", 2, "--seed", seed, "-o", output, *options)
    key = (scratch.path / f"{output}-key.json").read_text()
    again = scratch.run("rank", "make", *named[:2], "-o", output)
    check(again.returncode == 1 and "a reading is there already" in again.stderr, f"made again: {again.stderr}")
    check((scratch.path / f"{output}-key.json").read_text() == key, "the key of a reading that is out was overwritten")
    return json.loads(key)


def check_failure():
    """A reading that could not be written whole leaves no key, and what was there before."""
    (scratch.path / "partly/reader-2.html").mkdir(parents=True)
    named = [f"{name}={name}" for name in TECHNIQUES]
    done = scratch.run("rank", "make", *named, "--readers", 2, "-o", "partly")
    left = sorted(path.name for path in (scratch.path / "partly").iterdir())
    check(done.returncode == 1 and "reader-2.html" in done.stderr, f"no page could be written: {done.stderr}")
    check(left == ["reader-2.html"] and not (scratch.path / "partly-key.json").exists(), f"left: {left}")


def content(page):
    text = page.read_text()
    found = re.search(r'<script id="content" type="application/json">(.*?)</script>', text, re.S)
    return text, json.loads(found[1])


def check_blinding(key):
    """No page tells a technique or case apart; every image is whole; readers get different orders."""
    for number, reader in enumerate(key["readers"], 1):
        text, page = content(scratch.path / "session" / f"reader-{number}.html")
        for name in [*TECHNIQUES, *CASES, "marker", "patient"]:
            check(name.lower() not in text.lower(), f"the page of reader {number} holds '{name}'")
        check("://" not in text, "the page refers to the network")
        for drawn, shown in zip(reader["cases"], page["cases"], strict=True):
            check(drawn["code"] == shown["code"], f"codes: {drawn} {shown['code']}")
            check(len({len(item) for item in shown["items"]}) == 1, "image sizes tell techniques apart")
            whole = [np.load(scratch.path / name / f"{drawn['name']}.npy") for name in drawn["order"]]
            top = max(image.max() for image in whole)
            for item, image in zip(shown["items"], whole, strict=True):
                got = np.frombuffer(base64.b64decode(item), np.uint8).reshape(image.shape)
                error = np.abs(got / 255 - image / top).max()
                check(error <= 0.501 / 255, f"an image of {shown['code']} is off by {error}")
    orders = [[case["order"] for case in reader["cases"]] for reader in key["readers"]]
    check(orders[0] != orders[1], "both readers have the same order")
    codes = [case["code"] for reader in key["readers"] for case in reader["cases"]]
    check(len(set(codes)) == len(codes), "codes repeat")


def browser(downloads):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,1000"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = shutil.which("chromedriver") or "chromedriver"
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


def pressed(chrome):
    """The rank shown for each letter."""
    result = {}
    for item in chrome.find_elements(By.CSS_SELECTOR, ".item"):
        chosen = item.find_elements(By.CSS_SELECTOR, "button[aria-pressed=true]")
        if chosen:
            result[item.get_attribute("data-letter")] = int(chosen[0].text)
    return result


def pixels(chrome, place=0):
    script = "const c = document.querySelectorAll('canvas')[arguments[0]];"
    return chrome.execute_script(script + "return c.toDataURL()", place)


def try_controls(chrome):
    """Cine, window and level, zoom and reset change what is shown, or bring it back."""
    keys = lambda *all: ActionChains(chrome).send_keys(*all).perform()
    first = pixels(chrome)
    keys("]", "]", "]")
    check(pixels(chrome) != first, "the window key does nothing")
    keys("r")
    check(pixels(chrome) == first, "reset does not bring the image back")
    keys(Keys.ARROW_UP)
    check(pixels(chrome) != first, "the level key does nothing")
    keys("r", "+")
    check(pixels(chrome) != first, "zoom does nothing")
    keys("r")
    canvas = chrome.find_element(By.CSS_SELECTOR, "canvas")
    ActionChains(chrome).drag_and_drop_by_offset(canvas, 40, 10).perform()
    check(pixels(chrome) != first, "dragging does nothing")
    chrome.find_element(By.ID, "reset").click()
    check(pixels(chrome) == first, "the reset button does not bring the image back")


def try_cine(chrome):
    keys = lambda *all: ActionChains(chrome).send_keys(*all).perform()
    first = pixels(chrome)
    keys(Keys.ARROW_RIGHT)
    check(pixels(chrome) != first, "the next frame is the same")
    keys(Keys.ARROW_LEFT)
    check(pixels(chrome) == first, "the frame before is not the first")
    keys(" ")
    seen = set()

    def shows_three():
        seen.add(chrome.find_element(By.ID, "time").text)
        return len(seen) >= 3

    until(shows_three, "playback shows fewer than three frames")
    keys(" ")


def read_session(number, wanted, downloads):
    """Ranks every case of a reader's page, by mouse and by keys in turn; `wanted` is code -> letter -> rank."""
    page = (scratch.path / "session" / f"reader-{number}.html").as_uri()
    chrome = browser(downloads)
    try:
        chrome.get(page)
        next_case, export = (chrome.find_element(By.ID, name) for name in ("next", "export"))
        for place, (code, ranks) in enumerate(wanted.items()):
            check(not export.is_enabled(), "export is possible before all is ranked")
            check(not next_case.is_enabled(), "the next case is open before this one is ranked")
            try_controls(chrome)
            if chrome.find_element(By.ID, "play").is_displayed():
                try_cine(chrome)
            if place % 2 == 0:
                for letter, rank in ranks.items():
                    section = chrome.find_element(By.CSS_SELECTOR, f".item[data-letter={letter}]")
                    section.find_element(By.CSS_SELECTOR, f"button[data-rank='{rank}']").click()
            else:
                for letter, rank in ranks.items():
                    ActionChains(chrome).send_keys(letter.lower(), str(rank)).perform()
            check(pressed(chrome) == ranks, f"{code}: shown {pressed(chrome)}, not {ranks}")
            if place == 0:
                try_rank_taken(chrome, ranks)
                try_opening_again(chrome, ranks)
                next_case, export = (chrome.find_element(By.ID, name) for name in ("next", "export"))
            if place + 1 < len(wanted):
                next_case.click()
        check(export.is_enabled(), "export is not possible after all is ranked")
        export.click()
        path = downloads / f"reader-{number}.csv"
        until(lambda: path.exists() and path.stat().st_size > 0, "nothing was exported")
        errors = [entry for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
        check(not errors, f"the browser reports {errors}")
        return path
    finally:
        chrome.quit()


def try_rank_taken(chrome, ranks):
    """A rank that another image has moves over, and the case is incomplete until that one is ranked again."""
    (first, rank), (second, other) = list(ranks.items())[:2]
    ActionChains(chrome).send_keys(second.lower(), str(rank)).perform()
    check(first not in pressed(chrome), f"two images have rank {rank}: {pressed(chrome)}")
    check(not chrome.find_element(By.ID, "next").is_enabled(), "an incomplete case lets go on")
    ActionChains(chrome).send_keys(first.lower(), str(rank), second.lower(), str(other)).perform()
    check(pressed(chrome) == ranks, f"shown {pressed(chrome)}, not {ranks}")


def try_opening_again(chrome, ranks):
    """A page that is opened again goes on after the first case and has its ranks, once the browser has stored them."""

    def shows_ranks():
        chrome.refresh()
        chrome.find_element(By.ID, "previous").click()
        return pressed(chrome) == ranks

    until(shows_ranks, "the ranks are lost when the page is opened again")


def agree(got, want, what):
    check(np.allclose(got, want, rtol=0, atol=1e-6), f"{what}: {got}, not {want}")


def analysis(blocks, names, *arguments):
    """Compares `rank analyse` with SciPy; blocks are [block, technique] in the order of the sorted names."""
    got = json.loads(scratch.succeed("rank", "analyse", *arguments, "--json").stdout)
    blocks = np.array(blocks, float)
    n, k = blocks.shape
    want = scipy.stats.friedmanchisquare(*blocks.T)
    agree(got["friedman"]["chi2"], want.statistic, "chi2")
    agree(got["friedman"]["p"], want.pvalue, "p")
    agree(got["friedman"]["kendall_w"], want.statistic / (n * (k - 1)), "W")
    means = scipy.stats.rankdata(blocks, axis=1).mean(0)
    pairs = list(itertools.combinations(range(k), 2))
    check([(p["a"], p["b"]) for p in got["pairs"]] == [(names[i], names[j]) for i, j in pairs], "pairs")
    for pair, (i, j) in zip(got["pairs"], pairs, strict=True):
        z = abs(means[i] - means[j]) / np.sqrt(k * (k + 1) / (6 * n))
        p = 2 * scipy.stats.norm.sf(z)
        agree([pair["z"], pair["p"], pair["p_bonferroni"]], [z, p, min(1, p * len(pairs))], "pair")
    histogram = [got["histogram"][name] for name in names]
    agree(histogram, [[(np.floor(column) == r).sum() for r in range(1, k + 1)] for column in blocks.T], "counts")
    return got


def plain_readings():
    """CSV files with plain names, tied and untied, of one and of three readers."""
    names = ["a, quoted", "b", 'c "x"', "d", "\u00e9"]
    for count, tied in [(25, False), (25, True), (3, True)]:
        blocks = np.array([random.permutation(5) + 1.0 for _ in range(count)])
        if tied:
            blocks = np.array([scipy.stats.rankdata(np.round(row / 2)) for row in blocks])
        rows = [(f"case {c}", n, r) for c, row in enumerate(blocks) for n, r in zip(names, row, strict=True)]
        quoted = [",".join('"' + str(f).replace('"', '""') + '"' for f in row) for row in rows]
        text = "\ufeffcase,technique,rank\r\n" + "\r\n".join(quoted) + "\r\n"
        (scratch.path / "plain.csv").write_text(text, encoding="utf-8")
        got = analysis(blocks, names, "plain.csv")
        check("agreement" not in got, "one reader has nobody to agree with")
    thirds = []
    for reader in range(3):
        blocks = [random.permutation(4) + 1 for _ in range(6)]
        thirds.append(blocks)
        rows = [f"{c},t{t},{r}" for c, row in enumerate(blocks) for t, r in enumerate(row)]
        random.shuffle(rows)
        (scratch.path / f"r{reader}.csv").write_text("case,technique,rank\n" + "\n".join(rows))
    got = analysis(np.concatenate(thirds), [f"t{t}" for t in range(4)], "r0.csv", "r1.csv", "r2.csv")
    within = [scipy.stats.friedmanchisquare(*np.array(thirds)[:, c].T).statistic / 9 for c in range(6)]
    agree(got["agreement"]["kendall_w"], np.mean(within), "agreement")
    check(got["agreement"]["readers"] == 3 and got["agreement"]["cases"] == 6, f"{got['agreement']}")


def check_report(*arguments):
    scratch.succeed("rank", "analyse", *arguments, "-o", "report")
    folder = scratch.path / "report"
    names = {path.name for path in folder.iterdir()}
    figures = ("histogram", "pair-matrix", "pair-graph")
    want = {f"{n}.{e}" for n in figures for e in ("png", "svg")} | {"report.html", "results.json"}
    want |= {f"{n}.{e}" for n in ("ranks", "pairs") for e in ("csv", "tex")}
    check(names == want, f"files of the report: {names}")
    text = (folder / "report.html").read_text()
    check("src=\"data:image/svg+xml" in text and "://" not in text, "the report is not self-contained")
    for name in figures:
        check((folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG", f"{name}.png is no PNG")
    first = {name: (folder / name).read_bytes() for name in want}
    scratch.succeed("rank", "analyse", *arguments, "-o", "report")
    check(first == {name: (folder / name).read_bytes() for name in want}, "another run, other bytes")


make_images()
check_failure()
key = make_session("session", 5)
check_blinding(key)
again = make_session("again", 5)
check(again == key, "the same seed gives another session")
for number in (1, 2):
    pages = [(scratch.path / name / f"reader-{number}.html").read_bytes() for name in ("session", "again")]
    check(pages[0] == pages[1], "the same seed gives other pages")
check(make_session("other", 6)["readers"] != key["readers"], "another seed gives the same order")

downloads = scratch.path / "downloads"
downloads.mkdir()
truth, files = [], []
for number, reader in enumerate(key["readers"], 1):
    wanted = {}
    for case in reader["cases"]:
        # The first technique of the list is mostly last, so that there is something to find.
        ranks = [4, *(random.permutation(3) + 1)]
        truth.append([ranks[TECHNIQUES.index(name)] for name in sorted(TECHNIQUES)])
        wanted[case["code"]] = {chr(65 + i): int(ranks[TECHNIQUES.index(t)]) for i, t in enumerate(case["order"])}
    files.append(read_session(number, wanted, downloads))
got = analysis(truth, sorted(TECHNIQUES), *files, "--key", "session-key.json")
check(got["mean_ranks"]["Zerofilled-marker"] == 4, f"mean ranks: {got['mean_ranks']}")
check(got["agreement"]["readers"] == 2 and got["agreement"]["cases"] == 3, f"agreement: {got}")
done = scratch.run("rank", "analyse", *files, "--key", "other-key.json")
check(done.returncode == 1 and "the key has no case" in done.stderr, f"a wrong key: {done.stderr}")
plain_readings()
check_report(*files, "--key", "session-key.json")
print("pages, readings and reports agree")
