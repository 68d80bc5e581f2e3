"""Notebooks as text: both formats, three forms, and what is left out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.code.notebook import NotebookError, to_text

CELLS = [
    {"cell_type": "markdown", "source": ["# Title\n", "some *words*"]},
    {
        "cell_type": "code",
        "source": "%matplotlib inline\nx = 1\nprint(x)",
        "outputs": [{"output_type": "stream", "text": ["1\n"]}],
    },
    {"cell_type": "code", "source": "", "outputs": []},
    {
        "cell_type": "code",
        "source": ["plot(x)"],
        "outputs": [
            {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo=" * 99, "text/plain": ["<Figure>"]}},
            {"output_type": "execute_result", "data": {"text/plain": "42"}},
            {"output_type": "error", "ename": "NameError", "evalue": "\x1b[31mno y\x1b[0m", "traceback": ["..."]},
        ],
    },
    {"cell_type": "raw", "source": "raw text"},
]


def notebook(cells=CELLS, **metadata):
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": metadata})


def test_markdown_has_fences_around_code():
    text, language = to_text(notebook(), "markdown")
    assert language == "Python"
    assert text == (
        "# Title\nsome *words*\n\n```python\n%matplotlib inline\nx = 1\nprint(x)\n```\n\n"
        "```python\nplot(x)\n```\n\nraw text\n"
    )


def test_a_script_has_comments_around_text():
    text, _ = to_text(notebook(), "script")
    assert text == ("# # Title\n# some *words*\n\n# %matplotlib inline\nx = 1\nprint(x)\n\nplot(x)\n\n# raw text\n")


def test_structured_is_starcoder2_s_chain_of_cells():
    text, _ = to_text(notebook(), "structured", max_output_chars=100)
    assert text == (
        "<jupyter_start><jupyter_text># Title\nsome *words*"
        "<jupyter_code>%matplotlib inline\nx = 1\nprint(x)\n<jupyter_output>1"
        "<jupyter_code>plot(x)\n<jupyter_output>42\nNameError: no y"
        "<jupyter_text>raw text"
    )


def test_outputs_are_bounded_and_pictures_never_there():
    long = [{"cell_type": "code", "source": "f()", "outputs": [{"output_type": "stream", "text": "y" * 5000}]}]
    text, _ = to_text(notebook(long), "markdown", max_output_chars=10)
    assert text == "```python\nf()\n```\n\n```\nyyyyyyyyyy\n```\n"
    shown, _ = to_text(notebook(), "markdown", max_output_chars=1000)
    assert "42" in shown
    assert not any(picture in shown for picture in ("iVBOR", "<Figure>"))


def test_pictures_inside_markdown_leave_their_place():
    cells = [
        {
            "cell_type": "markdown",
            "source": f"see ![a plot](data:image/png;base64,{'iVBO' * 500}) and ![b](attachment:x.png)",
        }
    ]
    assert to_text(notebook(cells), "markdown")[0] == "see ![a plot]() and ![b]()\n"


def test_prose_about_an_attachment_stays():
    text = "See the attachment: it is large. It doesn't (yet) open."
    assert to_text(notebook([{"cell_type": "markdown", "source": text}]), "markdown")[0] == f"{text}\n"


def test_format_3_has_worksheets_headings_and_inputs():
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Part"]},
        {
            "cell_type": "code",
            "input": ["y = 2"],
            "outputs": [{"output_type": "pyout", "text": ["2"]}],
            "language": "python",
        },
    ]
    old = json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3, "metadata": {"name": ""}})
    assert to_text(old, "markdown", max_output_chars=9)[0] == "## Part\n\n```python\ny = 2\n```\n\n```\n2\n```\n"


@pytest.mark.parametrize(
    ("metadata", "language", "fence"),
    [
        ({"kernelspec": {"language": "R", "name": "ir"}}, "R", "```r"),
        ({"kernelspec": {"name": "ir"}}, "R", "```r"),
        ({"language_info": {"name": "julia"}}, "Julia", "```julia"),
        ({"kernelspec": {"name": "python3"}}, "Python", "```python"),
        ({"kernelspec": {"name": "xcpp17", "language": "C++17"}}, "C++17", "```c++17"),
        ({"language_info": {"name": "C++"}}, "C++", "```cpp"),
        ({"kernelspec": {"name": "conda-env-x-py"}}, "Python", "```python"),
        ({"kernelspec": None}, "Python", "```python"),
    ],
)
def test_the_language_is_the_kernel_s(metadata, language, fence):
    text, found = to_text(notebook([{"cell_type": "code", "source": "x"}], **metadata), "markdown")
    assert (found, text.split("\n")[0]) == (language, fence)


def test_a_cell_of_another_language_says_so():
    cells = [{"cell_type": "code", "source": "%%bash\nls"}, {"cell_type": "code", "source": "%%time\nf()"}]
    assert to_text(notebook(cells), "markdown")[0] == "```bash\n%%bash\nls\n```\n\n```python\n%%time\nf()\n```\n"
    assert to_text(notebook(cells), "script")[0] == "# %%bash\n# ls\n\n# %%time\nf()\n"


def test_a_fence_is_longer_than_those_inside():
    cells = [{"cell_type": "code", "source": 's = """```\n"""'}]
    assert to_text(notebook(cells), "markdown")[0].startswith("````python\n")


@pytest.mark.parametrize(
    "source", ["", "{", "[]", "{}", '{"cells": 3}', '{"worksheets": null}', '{"cells": "\\ud800"}', "[" * 9999]
)
def test_what_is_no_notebook_is_an_error(source):
    with pytest.raises(NotebookError, match=r"not valid JSON|no notebook"):
        to_text(source, "markdown")


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["cell_type", "source", "outputs", "data", "text", "cells", "metadata", "kernelspec", "name"]
            ),
            x,
            max_size=4,
        )
    ),
)


@given(st.lists(JSON, max_size=4), JSON, st.sampled_from(["markdown", "script", "structured"]))
def test_odd_cells_are_passed_over(cells, metadata, form):
    text, language = to_text(json.dumps({"cells": cells, "metadata": metadata}), form, max_output_chars=50)
    assert isinstance(text, str)
    assert language
