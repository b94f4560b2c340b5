"""Which text of a page is commands, and that each of them is typed by some test."""

from tests.support.pages import ELSEWHERE, ON_KIND, ROOT, WHOLE, WITH_A_CONTROLLER, Block, blocks

PAGE = """# A page

    make demo

Text, `kubectl get pods`.

## Second

    kubectl apply -f - <<EOF
    kind: Service

    spec: {}
    EOF
    bmlb lab exec demo -- \\
        ip neigh

    apiVersion: v1

and

    router bgp 64512

```sh
    kubectl in a fence
```
    helm version
"""


def test_commands_stand_together_by_heading_and_configuration_is_left_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    here = "kubectl apply -f - <<EOF\nkind: Service\n\nspec: {}\nEOF\nbmlb lab exec demo -- \\\n    ip neigh\n\napiVersion: v1"
    assert blocks(page) == [Block("A page", "make demo"), Block("Second", here), Block("Second", "helm version")]


def test_what_a_page_tells_to_type_is_typed_by_a_test_or_named_with_the_reason_why_not():
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "kind-config" / "README.md"]
    told = {(str(page.relative_to(ROOT)), block.heading) for page in pages for block in blocks(page)}
    tables = (WITH_A_CONTROLLER, ON_KIND, ELSEWHERE)
    known = {(page, heading) for table in tables for page, headings in table.items() for heading in headings}
    assert {(page, heading) for page, heading in told if page not in WHOLE} == known
