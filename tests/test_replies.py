"""What is new in a mail: the quotations and signatures of many programs and languages go, and nothing else does."""

from __future__ import annotations

import pytest

from amplify.replies import own_html, own_text
from amplify.text import from_html

NEW = "Yes, and a fourth.\n\nAmal"
OUTLOOK = "JoyFE <news@joyfe.example.org>"


@pytest.mark.parametrize(
    "line",
    [
        "On Wed, 18 Nov 2026 at 20:00, JoyFE <news@joyfe.example.org> wrote:",
        "On Wed, 18 Nov 2026 at 20:00, JoyFE, Joy in Further Education\n<news@joyfe.example.org> wrote:",
        "Am 18.11.26 um 20:00 schrieb JoyFE:",
        "JoyFE <news@joyfe.example.org> schrieb am Mi., 18. Nov. 2026, 20:00:",
        "Le mer. 18 nov. 2026 à 20:00, JoyFE <news@joyfe.example.org> a écrit :",
        "El mié, 18 nov 2026 a las 20:00, JoyFE (<news@joyfe.example.org>) escribió:",
        "Il giorno mer 18 nov 2026 alle ore 20:00 JoyFE <news@joyfe.example.org> ha scritto:",
        "Op wo 18 nov. 2026 om 20:00 schreef JoyFE <news@joyfe.example.org>:",
        "Em qua., 18 de nov. de 2026 às 20:00, JoyFE <news@joyfe.example.org> escreveu:",
        "Den ons. 18. nov. 2026 kl. 20.00 skrev JoyFE <news@joyfe.example.org>:",
        "śr., 18 lis 2026 o 20:00 JoyFE <news@joyfe.example.org> napisał(a):",
        "Ar Mer, 18 Tach 2026 am 20:00, ysgrifennodd JoyFE <news@joyfe.example.org>:",
        "2026年11月18日(水) 20:00 JoyFE <news@joyfe.example.org>:",
    ],
)
@pytest.mark.parametrize("quoted", ["> Dear all,\n> it is dark by four.\n>> So it is.", "Dear all,\n\nit is dark by four."])
def test_what_is_answered_goes_in_many_languages(line: str, quoted: str) -> None:
    assert own_text(f"{NEW}\n\n{line}\n\n{quoted}\n", answer=True) == NEW


@pytest.mark.parametrize(
    "block",
    [
        f"From: {OUTLOOK}\nSent: 18 November 2026 20:00\nTo: Amal\nSubject: Joy",
        f"________________________________\nFrom: {OUTLOOK}\nSent: 18 November 2026 20:00\nTo: Amal\nSubject: Joy",
        f"Von: {OUTLOOK}\nGesendet: Mittwoch, 18. November 2026 20:00\nAn: Amal\nBetreff: Joy",
        f"*De :* {OUTLOOK}\n*Envoyé :* mercredi 18 novembre 2026\n*À :* Amal\n*Objet :* Joy",
        "-----Original Message-----\nFrom: JoyFE",
        "-------- Ursprüngliche Nachricht --------",
    ],
)
def test_the_head_that_outlook_puts_above_ends_what_is_new(block: str) -> None:
    assert own_text(f"{NEW}\n\n{block}\n\nDear all,\n", answer=True) == NEW


def test_answers_between_the_lines_stay() -> None:
    mail = "On Wed at 20:00, JoyFE wrote:\n> Who marks?\nI do.\n> And who reads?\nNobody."

    assert own_text(mail, answer=True) == "I do.\nNobody."


@pytest.mark.parametrize(
    "below",
    ["-- \nAmal Haddad\nTel. 555", "--\nAmal", "Sent from my iPhone", "Get Outlook for Android", "Von meinem iPhone gesendet",
     "Envoyé de mon iPhone", "Anfonwyd o fy iPhone", "_______________________________________________\nfe mailing list"],
)  # fmt: skip
def test_what_a_program_puts_below_goes(below: str) -> None:
    assert own_text(f"{NEW}\n\n{below}\n", answer=False) == NEW


@pytest.mark.parametrize(
    "whole",
    [
        "As Freire wrote in 1970:\n> praxis\nand so it is.",
        "From: the heart\nto the hand.",
        "One part\n--\n" + "another line\n" * 20 + "the end",
        "Sent from my iPhone, this took\nan hour.",
        "> Dear all,\n> it is dark.",
        "-- \nAmal",
    ],
)
def test_what_only_looks_like_it_stays(whole: str) -> None:
    assert own_text(whole, answer=whole.startswith(">")) == whole


GMAIL = (
    '<div dir="ltr">Yes, and <b>a fourth</b>.</div><br><div class="gmail_quote"><div class="gmail_attr">On Wed, 18 Nov 2026 at 20:00, '
    'JoyFE &lt;<a href="mailto:n@x.org">n@x.org</a>&gt; wrote:<br></div><blockquote class="gmail_quote">Dear all</blockquote></div>'
)
WORD = (
    "<html><head><style>p{}</style></head><body><div class=WordSection1><p class=MsoNormal>Yes, and <b>a fourth</b>.</p><div>"
    '<div style="border:none"><p class=MsoNormal><b>From:</b> JoyFE <br><b>Sent:</b> 18 November<br><b>To:</b> Amal<br><b>Subject:</b> Joy'
    "</p></div></div><p>Dear all</p></div></body></html>"
)
APPLE = (
    "<body>Yes, and <b>a fourth</b>.<br><br>Sent from my iPhone<div><br><blockquote type=cite>On 18 Nov 2026, at 20:00, JoyFE wrote:<br>"
    "</blockquote></div><blockquote type=cite>Dear all</blockquote></body>"
)
WEB = (
    "<div>Yes, and <b>a fourth</b>.</div><div id=Signature>Amal</div><div id=appendonsend></div><hr><div id=divRplyFwdMsg>"
    "<b>From:</b> JoyFE</div><div>Dear all</div>"
)
THUNDERBIRD = (
    '<p>Yes, and <b>a fourth</b>.</p><div class="moz-cite-prefix">Am 18.11.26 um 20:00 schrieb JoyFE:</div>'
    '<blockquote type="cite">Dear all</blockquote><div class="moz-signature">-- <br>Amal</div>'
)
PLAIN = "<p>Yes, and <b>a fourth</b>.</p>--<br>Amal<p>Tel. 555</p><p>On Wed at 20:00, JoyFE &lt;n@x.org&gt; wrote:</p><p>Dear all</p>"


@pytest.mark.parametrize("html", [GMAIL, WORD, APPLE, WEB, THUNDERBIRD, PLAIN])
def test_what_is_new_in_html_comes_without_the_rest(html: str) -> None:
    assert from_html(own_html(html, answer=True), "https://x.invalid/") == "Yes, and **a fourth**."


def test_answers_below_quoted_html_stay() -> None:
    html = "<div>On Wed at 20:00, JoyFE &lt;n@x.org&gt; wrote:</div><blockquote type=cite>Who marks?</blockquote><p>I do.</p>"

    assert from_html(own_html(html, answer=True), "https://x.invalid/") == "I do."


@pytest.mark.parametrize("html", ["<blockquote type=cite>Dear all</blockquote>", '<div class="gmail_signature">Dear all</div>', "Dear all"])
def test_the_whole_stays_where_nothing_would(html: str) -> None:
    assert from_html(own_html(html, answer=True), "https://x.invalid/").strip("> ") == "Dear all"


def test_what_is_hidden_goes() -> None:
    html = '<div style="display: none">Preview</div><p>Yes.</p><img width="1" height="1" src="https://x.org/t.gif">'

    assert own_html(html, answer=False) == "<div><p>Yes.</p></div>"
