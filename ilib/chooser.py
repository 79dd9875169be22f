"""Questions with fixed answers above the page that they lead to, in a static page, by keyboard, on a phone."""

import html
import itertools
import json
from collections.abc import Mapping, Sequence

from IPython.display import HTML

from .show import key_of

Answers = tuple[str, ...]


def chooser(questions: Mapping[str, Sequence[str]], pages: Mapping[Answers, str], name: str) -> HTML:
    """Put a list of answers for each question above the page that belongs to the answers chosen.

    questions: {question: answers}; pages: one answer to each question, in this order -> HTML; name titles the figure
    and gives the ids.  The first page is shown first; without JavaScript all are.  ValueError where a page is missing.
    """
    combinations = list(itertools.product(*questions.values()))
    missing = [answers for answers in combinations if answers not in pages]
    if missing or not combinations:
        raise ValueError(f"every combination of answers needs a page; there is none for {missing[:1] or 'no answers'}")
    key = key_of(name)
    selects = "".join(_select(f"{key}-{k}", *item) for k, item in enumerate(questions.items()))
    sheets = "".join(f'<section data-answers="{html.escape(json.dumps(answers))}"><h4>{_title(answers)}</h4>'
                     f'{pages[answers]}</section>' for answers in combinations)  # fmt: skip
    return HTML(_PAGE.format(key=key, name=html.escape(name), style=_STYLE, selects=selects, sheets=sheets,
                             script=_SCRIPT.replace("KEY", key)))  # fmt: skip


def _title(answers: Answers) -> str:
    return html.escape(", ".join(answers))


def _select(key: str, question: str, answers: Sequence[str]) -> str:
    options = "".join(f"<option>{html.escape(answer)}</option>" for answer in answers)
    return f'<label for="{key}">{html.escape(question)}</label><select id="{key}" autocomplete="off">{options}</select>'


_STYLE = """
.ilib-chooser{max-width:100%;color:inherit;font:inherit}
.ilib-chooser .ilib-questions{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.4em 1em;
align-items:center;max-width:40em;margin:.5em 0 1em}
.ilib-chooser select{font:inherit;color:inherit;background:transparent;border:1px solid currentColor;border-radius:.3em;
padding:.15em .4em;min-width:0}
.ilib-chooser option{color:#000;background:#fff}
.ilib-chooser select:focus-visible{outline:2px solid currentColor;outline-offset:2px}
.ilib-chooser section[hidden]{display:none}
@media (max-width:32em){.ilib-chooser .ilib-questions{grid-template-columns:minmax(0,1fr)}}
"""

_PAGE = """<div class="ilib-chooser" data-chooser="{key}" role="group" aria-label="{name}">
<style>{style}</style>
<div class="ilib-questions">{selects}</div>
<div aria-live="polite">{sheets}</div>
<script>{script}</script>
</div>"""

_SCRIPT = """
(function () {
  document.querySelectorAll('[data-chooser="KEY"]:not([data-live])').forEach(function (root) {
    root.setAttribute('data-live', '');
    const selects = Array.from(root.querySelectorAll('.ilib-questions select'));
    const sheets = Array.from(root.querySelectorAll('section[data-answers]'));
    function show() {
      const chosen = JSON.stringify(selects.map(function (select) { return select.value; }));
      sheets.forEach(function (sheet) {
        sheet.hidden = JSON.stringify(JSON.parse(sheet.dataset.answers)) !== chosen;
      });
    }
    selects.forEach(function (select) { select.addEventListener('change', show); });
    show();
  });
})();
"""
