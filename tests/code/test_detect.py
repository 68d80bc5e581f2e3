"""Languages by name and content: the ambiguous endings case by case, and real files against their label."""

from collections import Counter

import pytest
from pyarrow import parquet

from curate.code.detect import _RULES, detect, shebang
from curate.code.languages import ENDINGS, KIND_OF, STACK_EDU, by_name, normal_name

GUARDED = (
    '/* class of things: std::x */\n#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n'
    "#ifdef __cplusplus\n}\n#endif\n"
)
QT = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n<TS version="2.1" language="de">'


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.py", "x", "Python"),
        ("A.PY", "x", "Python"),
        ("include/a.h", "int f(void);\n", "C"),
        ("include/a.h", GUARDED, "C"),
        ("include/a.h", '#define SAY "class A : public B {"\n// template <\n', "C"),
        ("include/a.h", "struct a { int class_; };\nint virtual_size(void);\n", "C"),
        ("include/a.h", "template <typename T>\nT f(T x);\n", "C++"),
        ("include/a.h", "#include <vector>\n", "C++"),
        ("include/a.h", "namespace a {\nint f();\n}\n", "C++"),
        ("include/a.h", "class A;\n", "C++"),
        ("include/a.h", "struct A {\n  virtual ~A() = default;\n};\n", "C++"),
        ("include/a.h", "// -*- C++ -*-\nint x;\n", "C++"),
        ("include/a.h", "#import <Foundation/Foundation.h>\n@interface A : NSObject\n@end\n", "Objective-C"),
        ("app.ts", "export const a: Map<TS, number> = f<TS>(x);\n", "TypeScript"),
        ("app_de.ts", QT, "XML"),
        ("view.tsx", "export default () => <p/>;\n", "TypeScript"),
        ("map.tsx", '<?xml version="1.0"?>\n<tileset/>', "XML"),
        ("a.m", "#import <UIKit/UIKit.h>\n@implementation A\n@end\n", "Objective-C"),
        ("a.m", "% the mean\nfunction y = mean2(x)\n  y = sum(x) / numel(x);\nend\n", "MATLAB"),
        ("a.m", '(* a package *)\nBeginPackage["A`"]\n', "Mathematica"),
        ("a.m", ":- module hello.\n:- interface.\n", "Mercury"),
        ("a.pl", "use strict;\nmy $x = 1;\n", "Perl"),
        ("a.pl", "#!/usr/bin/perl\nprint 1\n", "Perl"),
        ("a.pl", "parent(ann, bob).\ngrandparent(X, Z) :- parent(X, Y), parent(Y, Z).\n", "Prolog"),
        ("a.pl", "use v6;\nsay 'x';\n", "Raku"),
        ("a.pm", "package A::B;\nsub new { bless {} }\n1;\n", "Perl"),
        ("a.t", "use Test::More;\nok(1);\n", "Perl"),
        ("a.r", "f <- function(x) x + 1\n", "R"),
        ("A.R", "library(ggplot2)\n", "R"),
        ("README.md", "# Title\n\nwords\n", "Markdown"),
        ("README.md", "", "Markdown"),
        ("i386.md", ";; GCC machine description\n(define_insn ...)", "GCC Machine Description"),
        ("article.cls", "\\NeedsTeXFormat{LaTeX2e}\n\\ProvidesClass{article}", "TeX"),
        ("Account.cls", "public with sharing class Account {\n}\n", "Apex"),
        ("Module.cls", 'VERSION 1.0 CLASS\nBEGIN\n  MultiUse = -1\nEND\nAttribute VB_Name = "Module"\n', "VBA"),
        ("page.inc", "<?php echo 1; ?>", "PHP"),
        ("table.inc", "#include <stdio.h>\n", "C++"),
        ("head.inc", "<div class='a'></div>", "HTML"),
        ("unit.inc", "{$ifdef FPC}\nbegin\nend;\n", "Pascal"),
        ("words.inc", "nothing that tells", None),
        ("a.php", "<?hh // strict\n", "Hack"),
        ("a.php", "<html><?php echo 1 ?>", "PHP"),
        ("a.fs", "module A\nlet x = 1\n", "F#"),
        ("a.fs", "#version 330\nuniform vec3 x;\n", "GLSL"),
        ("a.v", "module counter(input clk);\nendmodule\n", "Verilog"),
        ("a.v", "Theorem t : 1 = 1.\nProof. reflexivity. Qed.\n", "Coq"),
        ("a.d", "module a.b;\nimport std.stdio;\n", "D"),
        ("a.d", "main.o: main.c main.h\n", "Makefile"),
        ("a.sql", "SELECT 1;", "SQL"),
        ("a.sql", "CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql;", "SQL"),
        ("CMakeLists.txt", "project(a)", "CMake"),
        ("notes.txt", "words", "Text"),
        ("requirements.txt", "numpy", "Pip Requirements"),
        ("Dockerfile", "FROM a", "Dockerfile"),
        ("docker/Dockerfile.dev", "FROM a", "Dockerfile"),
        ("Makefile.am", "all:", "Makefile"),
        ("Rakefile", "task :a", "Ruby"),
        ("BUILD.bazel", "cc_library()", "Starlark"),
        ("config.cmake.in", "set(a b)", "CMake"),
        ("types.d.ts", "declare const x: number;", "TypeScript"),
        ("a.ipynb", "{}", "Jupyter Notebook"),
        ("bin/deploy", "#!/usr/bin/env bash\nset -e\n", "Shell"),
        ("bin/run", "#!/usr/bin/python3.11 -u\n", "Python"),
        ("bin/run", "#!/usr/bin/env -S node --harmony\n", "JavaScript"),
        ("bin/gui", '#!/bin/sh\n# restart \\\nexec wish "$0" "$@"\n', "Tcl"),
        ("bin/odd", "#!/opt/unheard-of\n", None),
        ("bin/rc", "# vim: set ft=ruby :\n", "Ruby"),
        ("LICENSE", "Permission is hereby granted", None),
        ("a.xyz", "x", None),
    ],
)
def test_a_file_s_language(path, text, expected):
    assert detect(path, text) == expected


@pytest.mark.parametrize(("path", "expected"), [("a.h", "C"), ("a.ts", "TypeScript"), ("a.inc", None), ("a", None)])
def test_without_content_the_usual_meaning_of_an_ending(path, expected):
    assert detect(path) == expected


def test_the_tables_agree():
    assert set(STACK_EDU) <= set(KIND_OF)
    assert len(STACK_EDU) == 15
    assert {ending for ending, languages in ENDINGS.items() if len(languages) > 1} <= set(_RULES)
    for ending, (rules, usual) in _RULES.items():
        assert {language for language, _ in rules} | {usual} <= {*ENDINGS[ending], None}
    assert by_name("x.unknown") == ()
    assert shebang("no shebang") is None


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("c-sharp", "C#"),
        ("cpp", "C++"),
        ("TSX", "TypeScript"),
        ("PLpgSQL", "SQL"),
        ("python", "Python"),
        ("Brainfuck", "Brainfuck"),
    ],
)
def test_names_of_other_data_sets(theirs, ours):
    assert normal_name(theirs) == ours


def test_real_files_are_what_their_label_says_or_the_label_is_wrong(shared_data):
    """The label is by ending alone; every difference is a header in C++, or a tile set in XML."""
    table = parquet.read_table(shared_data / "code/code.parquet", columns=["path", "language", "text"])
    confused = Counter()
    for row in table.to_pylist():
        found = detect(row["path"], row["text"])
        if found != row["language"]:
            confused[row["language"], found, row["path"].rsplit(".", 1)[-1]] += 1
    assert set(confused) == {("C", "C++", "h"), ("TypeScript", "XML", "tsx")}
    assert sum(confused.values()) < 0.005 * table.num_rows
