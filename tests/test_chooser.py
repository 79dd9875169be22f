"""Questions above one page: every answer has its page, and a browser shows the one that was asked for."""

import json
import re
import subprocess

import pytest
from test_show import CHROMIUM, FLAGS, Tags

from ilib.chooser import chooser

QUESTIONS = {"Noise?": ["none", "5 %"], "Time & place?": ["now", "<later>"]}
PAGES = {(a, b): f"<p>{a} of {k}</p>" for a in QUESTIONS["Noise?"] for k, b in enumerate(QUESTIONS["Time & place?"])}

CHOOSE = """<div id="said"></div><script>
const root = document.querySelector('.ilib-chooser'), said = [];
function note() {
  const shown = Array.from(root.querySelectorAll('section')).filter(s => !s.hidden);
  said.push(shown.map(s => s.querySelector('p').textContent));
}
note();
root.querySelectorAll('select').forEach(function (select) {
  select.selectedIndex = 1;
  select.dispatchEvent(new Event('change'));
  note();
});
document.getElementById('said').textContent = JSON.stringify(said);
</script>"""


def test_every_answer_has_its_page_and_every_list_its_label() -> None:
    page = chooser(QUESTIONS, PAGES, "which").data
    tags = Tags(page).found
    labels = [given["for"] for tag, given in tags if tag == "label"]
    assert labels == [given["id"] for tag, given in tags if tag == "select"] == ["ilib-which-0", "ilib-which-1"]
    sections = [tuple(json.loads(str(given["data-answers"]))) for tag, given in tags if tag == "section"]
    assert sections == list(PAGES) and "Time &amp; place?" in page and "&lt;later&gt;" in page


def test_a_missing_page_is_named() -> None:
    with pytest.raises(ValueError, match="none for .*'5 %', 'now'"):
        chooser(QUESTIONS, {k: v for k, v in PAGES.items() if k != ("5 %", "now")}, "which")
    with pytest.raises(ValueError, match="letters or digits"):
        chooser(QUESTIONS, PAGES, "?")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_answers_choose_the_page_in_a_browser(tmp_path) -> None:
    page = tmp_path / "page.html"
    body = chooser(QUESTIONS, PAGES, "which").data + CHOOSE
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{body}</body>")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    said = json.loads(re.search(r'<div id="said">(.*?)</div>', dom).group(1))
    assert said == [["none of 0"], ["5 % of 0"], ["5 % of 1"]]
