"""The names of programming languages, and the file names and interpreters that tell them: a table.

    by_name("src/app.py")      ("Python",)
    by_name("include/x.h")     ("C", "C++", "Objective-C")     several: the content decides, `curate.code.detect`
    by_name("Dockerfile.dev")  ("Dockerfile",)

Names, kinds and endings are GitHub Linguist's, which The Stack v2 uses through go-enry; of its 700 languages the
hundred that make up nearly all of public code. Two of its distinctions are left out, since nobody trains on them
apart: TSX counts as TypeScript (its group there), and PLSQL, PLpgSQL and TSQL as SQL.
"""

import difflib
import posixpath
from collections.abc import Iterable

PROGRAMMING, MARKUP, DATA, PROSE = "programming", "markup", "data", "prose"

# name | endings | file names | interpreters of a first line "#!"
_PROGRAMMING = """
Ada | .adb .ads .ada
Agda | .agda
Apex | .cls .apex .trigger
Assembly | .asm .s .nasm .inc
Awk | .awk .gawk | | awk gawk mawk nawk
Batchfile | .bat .cmd
C | .c .h
C# | .cs .csx
C++ | .cpp .cc .cxx .c++ .hpp .hh .hxx .h++ .ipp .inl .tpp .cppm .ixx .h .inc
Clojure | .clj .cljs .cljc .edn | | bb
CMake | .cmake .cmake.in | CMakeLists.txt
COBOL | .cob .cbl .cobol .cpy
CoffeeScript | .coffee | Cakefile | coffee
Common Lisp | .lisp .cl .lsp .asd .l | | sbcl clisp ecl ccl
Coq | .v
Crystal | .cr | | crystal
Cuda | .cu .cuh
Cython | .pyx .pxd .pxi
D | .d .di
Dart | .dart | | dart
Dockerfile | .dockerfile .containerfile | Dockerfile Containerfile
Elixir | .ex .exs | | elixir
Elm | .elm
Emacs Lisp | .el | Cask
Erlang | .erl .hrl .escript | rebar.config | escript
F# | .fs .fsi .fsx
Forth | .fth .4th .forth .fs .f .for
Fortran | .f90 .f95 .f03 .f08 .f .for .f77 .fpp
GDScript | .gd
GLSL | .glsl .vert .frag .geom .fs .vs
Go | .go
Groovy | .groovy .gvy | Jenkinsfile | groovy
Hack | .hack .hhi .hh .php
Haskell | .hs .lhs .hsc | | runghc runhaskell
Haxe | .hx
HCL | .hcl .tf .tfvars
HLSL | .hlsl .fx
Idris | .idr
IDL | .pro
Java | .java
JavaScript | .js .mjs .cjs .jsx .es6 | Jakefile | node nodejs gjs
Julia | .jl | | julia
Just | .just | justfile Justfile
Kotlin | .kt .kts
Lean | .lean
Lex | .l .lex
LLVM | .ll
Lua | .lua .rockspec | | lua luajit texlua
Makefile | .mk .mak .make .d | Makefile makefile GNUmakefile BSDmakefile Kbuild | make
Mathematica | .wl .wls .m
MATLAB | .m .matlab
Mercury | .m
Meson | | meson.build meson_options.txt
Metal | .metal
Nim | .nim .nims .nimble | | nim
Nix | .nix
Objective-C | .m .h
Objective-C++ | .mm
OCaml | .ml .mli .mly | | ocaml
OpenCL | .cl .opencl
Pascal | .pas .pp .dpr .lpr .inc
Perl | .pl .pm .t .psgi .plx .al | Makefile.PL cpanfile Rexfile | perl
PHP | .php .phtml .php3 .php4 .php5 .phpt .inc | | php
PowerShell | .ps1 .psm1 .psd1 | | pwsh
Prolog | .pl .pro .prolog .plt .yap | | swipl yap
Puppet | .pp | Modulefile
PureScript | .purs
Python | .py .pyi .pyw .wsgi .gyp .spec | SConstruct SConscript wscript DEPS | python python2 python3 pypy pypy3 uv
QMake | .pro .pri
R | .r .rprofile | .Rprofile | Rscript
Racket | .rkt .scrbl | | racket
Raku | .raku .rakumod .p6 .pm6 .pl6 .pl .pm .t | | raku perl6
Ruby | .rb .rake .gemspec .ru .podspec .rbi .spec | Rakefile Gemfile Podfile Vagrantfile Guardfile Brewfile Fastfile \
Capfile Appraisals Dangerfile | ruby jruby rake
Rust | .rs | | rust-script
Scala | .scala .sbt .sc | | scala
Scheme | .scm .ss .sld .sls | | guile scheme csi gosh
Shell | .sh .bash .zsh .ksh .bats | PKGBUILD gradlew mvnw .bashrc .zshrc .profile | sh bash zsh ksh dash ash
Smalltalk | .st .cs
SMT | .smt2 .smt
Solidity | .sol
SourcePawn | .sp .inc
SQL | .sql .ddl .mysql .pgsql .plsql .pkb .pks .tab .viw .inc
Stan | .stan
Standard ML | .sml .sig .fun .ml
Starlark | .bzl .star | BUILD BUILD.bazel WORKSPACE WORKSPACE.bazel MODULE.bazel BUCK Tiltfile
SuperCollider | .scd .sc
Swift | .swift | | swift
SystemVerilog | .sv .svh
Tcl | .tcl .tm | | tclsh wish
Thrift | .thrift
TypeScript | .ts .tsx .mts .cts | | deno ts-node tsx bun
V | .v
VBA | .bas .cls .frm .vba
Verilog | .v .vh
VHDL | .vhd .vhdl
Vim Script | .vim .vimrc | .vimrc _vimrc
Visual Basic .NET | .vb
Visual Basic 6.0 | .cls .frm .bas
WebAssembly | .wat .wast
Yacc | .y .yy
Zig | .zig
"""
_MARKUP = """
Astro | .astro
CSS | .css
HTML | .html .htm .xhtml .inc
Jinja | .j2 .jinja .jinja2
Jupyter Notebook | .ipynb
Less | .less
Roff | .roff .man .l
Sass | .sass
SCSS | .scss
Svelte | .svelte
SVG | .svg
TeX | .tex .sty .cls .ltx .dtx .bbx .cbx
Vue | .vue
"""
_DATA = """
CSV | .csv
GCC Machine Description | .md
Gradle | .gradle
GraphQL | .graphql .gql
INI | .ini .cfg .pro | .editorconfig
JSON | .json .geojson .yy | .eslintrc
Pip Requirements | | requirements.txt requirements-dev.txt dev-requirements.txt
Protocol Buffer | .proto
RPM Spec | .spec
TOML | .toml | Pipfile
TSV | .tsv
XML | .xml .xsd .xsl .plist .csproj .ts .tsx .rs .mm
X PixMap | .xpm .pm
YAML | .yaml .yml | .clang-format .clang-tidy CITATION.cff
"""
_PROSE = """
AsciiDoc | .adoc .asciidoc
Markdown | .md .markdown .mdown .mkd
Org | .org
reStructuredText | .rst
Text | .txt
"""
STACK_EDU = (  # the fifteen of Stack-Edu (Allal et al., 2025)
    *("C", "C++", "C#", "Go", "Java", "JavaScript", "Markdown", "PHP", "Python", "Ruby", "Rust", "Shell", "SQL"),
    *("Swift", "TypeScript"),
)


def _parsed(table: str) -> dict[str, tuple[list[str], list[str], list[str]]]:
    found = {}
    for line in table.strip().split("\n"):
        name, *rest = (part.split() for part in line.split("|"))
        endings, names, interpreters = (*rest, [], [])[:3]
        found[" ".join(name)] = endings, names, interpreters
    return found


def _index(column: int, table: dict[str, tuple[list[str], list[str], list[str]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, columns in table.items():
        for key in columns[column]:
            found[key] = (*found.get(key, ()), language)
    return found


_TABLES = {
    kind: _parsed(table)
    for kind, table in ((PROGRAMMING, _PROGRAMMING), (MARKUP, _MARKUP), (DATA, _DATA), (PROSE, _PROSE))
}
KIND_OF = {language: kind for kind, table in _TABLES.items() for language in table}  # Linguist's types
_ALL = {language: columns for table in _TABLES.values() for language, columns in table.items()}
ENDINGS, FILE_NAMES, INTERPRETERS = (_index(column, _ALL) for column in range(3))
USUAL_ENDING = {language: columns[0][0] for language, columns in _ALL.items() if columns[0]}
NAMES = {name.lower(): name for name in KIND_OF} | {
    # Linguist's names for what is merged here, and others' for the same: data sets, editors' modelines, fences
    "tsx": "TypeScript",
    "jsx": "JavaScript",
    "plsql": "SQL",
    "plpgsql": "SQL",
    "tsql": "SQL",
    "cpp": "C++",
    "csharp": "C#",
    "c-sharp": "C#",
    "fsharp": "F#",
    "golang": "Go",
    "bash": "Shell",
    "sh": "Shell",
    "zsh": "Shell",
    "shellscript": "Shell",
    "shell-script": "Shell",
    "node": "JavaScript",
    "js": "JavaScript",
    "ts": "TypeScript",
    "py": "Python",
    "python3": "Python",
    "ipython": "Python",
    "ipython3": "Python",
    "rb": "Ruby",
    "rs": "Rust",
    "objc": "Objective-C",
    "objective c": "Objective-C",
    "octave": "MATLAB",
    "wolfram language": "Mathematica",
    "rocq prover": "Coq",
    "ir": "R",
    "visual basic": "Visual Basic .NET",
    "viml": "Vim Script",
    "jupyter-notebook": "Jupyter Notebook",
    "ipynb": "Jupyter Notebook",
}


def by_name(path: str) -> tuple[str, ...]:
    """Return the languages that a file's name allows, none if it tells nothing; the longest ending that is known."""
    name = posixpath.basename(path)
    if name in FILE_NAMES:
        return FILE_NAMES[name]
    lower = name.lower()
    dots = [place for place, letter in enumerate(lower) if letter == "."]
    for place in dots:
        if lower[place:] in ENDINGS:
            return ENDINGS[lower[place:]]
    stem = name.split(".", 1)[0]  # Dockerfile.dev, Makefile.am
    return FILE_NAMES[stem] if dots and stem in ("Dockerfile", "Containerfile", "Makefile", "GNUmakefile") else ()


def normal_name(language: str) -> str:
    """Return Linguist's name for a language written otherwise (`c-sharp`, `cpp`, `TSX`); an unknown one as it is."""
    return NAMES.get(language.strip().lower(), language.strip())


def asked_name(language: str) -> str:
    """Return Linguist's name for a language that a user asks for; one that is not in the table as it is.

    Raises:
        ValueError: it is nearly the name of one in the table (`Pyton`), and no file has such a language.
    """
    name = normal_name(language)
    close = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.8)
    if name not in KIND_OF and close:
        raise ValueError(f"no file is in the language {language!r}; did you mean {NAMES[close[0]]!r}?")
    return name


def of_kinds(kinds: Iterable[str]) -> frozenset[str]:
    """Return the languages of some of Linguist's kinds."""
    wanted = frozenset(kinds)
    return frozenset(language for language, kind in KIND_OF.items() if kind in wanted)
