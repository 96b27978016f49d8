"""Shapes that public mail templates have, written for these tests: our MJML against npm's."""

from __future__ import annotations

PICTURE = "https://pictures.example.org/a.png"
WORDS = "Words that fill a line or two, so that where they break can be seen and compared. " * 3

_HEAD = """<mj-head><mj-title>A shape</mj-title><mj-preview>Preview</mj-preview>
<mj-attributes><mj-all font-family="Georgia, serif"/><mj-text font-size="16px" line-height="1.5"
 color="#222222"/><mj-class name="loud" font-size="22px" font-weight="700"/></mj-attributes>
<mj-style>.note {{ letter-spacing: 1px }}</mj-style>{head}</mj-head>"""


def _shape(body: str, head: str = "") -> str:
    top = _HEAD.format(head=head)
    filled = body.replace("WORDS", WORDS).replace("PICTURE", PICTURE)
    return f'<mjml lang="en" dir="ltr">{top}<mj-body width="600px">{filled}</mj-body></mjml>'


SHAPES = {
    "announcement": _shape("""
<mj-section background-color="#1d4f7c"><mj-column><mj-text align="center" color="#ffffff"
 mj-class="loud">Something new</mj-text></mj-column></mj-section>
<mj-section><mj-column><mj-text>WORDS</mj-text><mj-button href="https://example.org"
 background-color="#1d4f7c" border-radius="6px" font-size="16px" inner-padding="12px 24px">Read
 it</mj-button></mj-column></mj-section>"""),
    "two columns": _shape("""
<mj-section padding="10px 0"><mj-column width="40%" vertical-align="middle"><mj-image src="PICTURE"
 alt="A" width="200px" height="120px"/></mj-column><mj-column width="60%" vertical-align="middle">
<mj-text>WORDS</mj-text></mj-column></mj-section>"""),
    "three products": _shape("""
<mj-section background-color="#f4f1ea"><mj-column padding="8px"><mj-text mj-class="loud">One
</mj-text><mj-text>WORDS</mj-text></mj-column><mj-column padding="8px"><mj-text>WORDS</mj-text>
</mj-column><mj-column padding="8px" background-color="#ffffff" border="1px solid #cccccc"
 inner-background-color="#eeeeee"><mj-text>WORDS</mj-text></mj-column></mj-section>"""),
    "receipt": _shape("""
<mj-section><mj-column><mj-text mj-class="loud">Receipt</mj-text><mj-table font-size="16px">
<tr><td>A thing</td><td align="right">12.00</td></tr><tr><td>Another</td><td align="right">7.50</td>
</tr></mj-table><mj-divider border-color="#cccccc" border-width="1px"/><mj-text align="right">19.50
</mj-text></mj-column></mj-section>"""),
    "card in a wrapper": _shape("""
<mj-wrapper background-color="#eeeeee" padding="24px 16px" border-radius="8px"><mj-section
 background-color="#ffffff" padding="16px"><mj-column><mj-text>WORDS</mj-text></mj-column>
</mj-section><mj-section background-color="#ffffff" padding="0 16px 16px"><mj-column><mj-text
 font-style="italic">WORDS</mj-text></mj-column></mj-section></mj-wrapper>"""),
    "full width band": _shape("""
<mj-section full-width="full-width" background-color="#22211f" padding="30px 0"><mj-column>
<mj-text color="#ffffff" align="center">WORDS</mj-text></mj-column></mj-section><mj-section>
<mj-column><mj-spacer height="30px"/><mj-text css-class="note">WORDS</mj-text></mj-column>
</mj-section>"""),
    "group that stays side by side": _shape("""
<mj-section><mj-group><mj-column width="25%"><mj-image src="PICTURE" alt="A" width="60px"
 height="60px" padding="0"/></mj-column><mj-column width="75%"><mj-text padding="0 10px">WORDS
</mj-text></mj-column></mj-group></mj-section>"""),
    "hero": _shape("""
<mj-hero mode="fluid-height" background-color="#1d4f7c" padding="60px 0"
 vertical-align="middle"><mj-text align="center"
 color="#ffffff" mj-class="loud">Above the rest</mj-text><mj-button href="https://example.org"
 font-size="16px">Go</mj-button></mj-hero>"""),
    "navigation and footer": _shape("""
<mj-section><mj-column><mj-navbar><mj-navbar-link href="https://example.org/a" font-size="16px">One
</mj-navbar-link><mj-navbar-link href="https://example.org/b" font-size="16px">Two</mj-navbar-link>
</mj-navbar></mj-column></mj-section><mj-section><mj-column><mj-social mode="horizontal"
 font-size="15px" icon-size="24px"><mj-social-element src="PICTURE" href="https://example.org/c"
 alt="C">Channel</mj-social-element></mj-social><mj-text align="center" font-size="14px">Street 1,
 Town</mj-text></mj-column></mj-section>"""),
    "mixed newsletter": _shape("""
<mj-section padding="0 24px"><mj-column><mj-text padding="0"><h1>A title</h1><p>WORDS</p><ul><li>
One</li><li>Two</li></ul><blockquote>WORDS</blockquote></mj-text></mj-column></mj-section>
<mj-raw><!-- between --></mj-raw><mj-section direction="rtl"><mj-column width="50%"><mj-text>Left in
 the source</mj-text></mj-column><mj-column width="50%"><mj-text>Right</mj-text></mj-column>
</mj-section>"""),
    "inlined styles": _shape(
        '<mj-section><mj-column><mj-text css-class="box"><p class="big">WORDS</p></mj-text>'
        "</mj-column></mj-section>",
        '<mj-style inline="inline">.big { font-size: 24px; margin: 0 } .box { padding: 40px }'
        "</mj-style>",
    ),
}
