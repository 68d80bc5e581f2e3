r"""Copies of other people's code, told by their paths, as Linguist's vendor.yml and so The Stack v2's `is_vendor` do.

    re.search(VENDORED, "src/node_modules/left-pad/index.js")    a match

Linguist's list of some 160 patterns, here by what they have in common: folders at any depth, folders at the top, files
by name, and the files of well-known libraries. It counts build tools' own files (`gradlew`, `configure`), fixtures of
tests, `dist/`, `cache/`, `testdata/` and TypeScript's `.d.ts` as vendored. A few folders are ours: `_vendor` (pip's and
setuptools' copies), `site-packages` and `.venv`; nothing of Linguist's is missing.
"""

_OURS = "_vendor|site-packages|\\.venv"
_FOLDERS = (  # at any depth
    "cache|dist|node_modules|bower_components|testdata|vendors|[Vv]+endor|[Ee]xtern(?:als?)?|env|\\.vscode|\\.github"
    "|\\.obsidian|\\.teamcity|\\.google_apis|\\.mvn/wrapper|\\.yarn/(?:releases|plugins|sdks|versions|unplugged)|ace-builds"
    "|MathJax|admin_media|Carthage|Sparkle|(?:Crashlytics|Fabric|BuddyBuildSDK)\\.framework|Godeps/_workspace"
    "|bootstrap-datepicker|gradle/wrapper|puphpet|xvba_modules|inst/extdata|(?:[Tt]ests?|[Ss]pecs?)/fixtures"
    "|docs?/_?(?:build|themes?|templates?|static)|[Pp]ackages/.+\\.\\d+"
    "|extjs/(?:\\.sencha|docs|builds|cmd|examples|locale|packages|plugins|resources|src|welcome)"
)
_TOP_FOLDERS = "[Dd]ependencies|deps|debian"
_WITHIN = "(?:3rd|[Tt]hird)[-_]?[Pp]arty/|\\.xctemplate/|\\.imageset/"  # the end of a folder's name
_FILES = (  # by their whole name
    "configure|config\\.guess|config\\.sub|_esy|dotnet-install\\.(?:ps1|sh)|run\\.n|fabfile\\.py|waf|\\.osx|\\.gitattributes"
    "|\\.gitignore|\\.gitmodules|gradlew|gradlew\\.bat|mvnw|mvnw\\.cmd|Vagrantfile|\\.[Dd][Ss]_[Ss]tore|activator"
    "|activator\\.bat|proguard\\.pro|proguard-rules\\.pro|Jenkinsfile|\\.gitpod\\.Dockerfile"
)
_FILES_FROM = (  # by how their name begins
    "(?:aclocal|libtool|ltoptions|ltsugar|ltversion|lt~obsolete)\\.m4|cpplint\\.py|erlang\\.mk|\\.indent\\.pro"
    "|\\.sublime-(?:project|workspace)|Realm(?:Swift)?\\.framework|(?:sprockets-octicons\\.scss|octicons\\.css)"
    "|jquery\\.fn\\.gantt\\.js|jquery\\.fancybox\\.(?:js|css)|fuelux\\.js|jquery\\.dataTables\\.js|bootbox\\.js|pdf\\.worker\\.js"
    "|leaflet\\.(?:draw-src\\.js|draw\\.css|spin\\.js)|Control\\.FullScreen\\.(?:css|js)|wicket-leaflet\\.js"
    "|tiny_mce/(?:langs|plugins|themes|utils)"
    "|[Cc]ode[Mm]irror/(?:\\d+\\.\\d+/)?(?:lib|mode|theme|addon|keymap|demo)"
)
_STYLES = "(?:css|less|scss|styl)"
_LIBRARIES = (  # their files, whole names
    f"bootstrap[^/.]*(?:\\..*)?\\.(?:js|{_STYLES})|custom\\.bootstrap\\S*(?:js|{_STYLES})|font-?awesome\\.{_STYLES}"
    f"|font-?awesome/.*\\.{_STYLES}|(?:foundation|normalize|skeleton|animate)\\.{_STYLES}|[Bb]ourbon/.*\\.{_STYLES}"
    f"|materialize\\.(?:js|{_STYLES})|select2/.*\\.(?:css|scss|js)|bulma\\.(?:css|sass|scss)|fontello.*?\\.css"
    "|jquery[^.]*\\.js|jquery-\\d\\.\\d+(?:\\.\\d+)?\\.js|jquery-ui(?:-\\d\\.\\d+(?:\\.\\d+)?)?(?:\\.\\w+)?\\.(?:js|css)"
    "|jquery\\.(?:ui|effects)\\.[^.]*\\.(?:js|css)|jquery\\.fileupload(?:-\\w+)?\\.js|jquery[^.]*\\.validate(?:\\.unobtrusive)?\\.js"
    "|jquery[^.]*\\.unobtrusive-ajax\\.js|slick\\.\\w+.js|Leaflet\\.Coordinates-\\d+\\.\\d+\\.\\d+\\.src\\.js"
    "|(?:prototype.*|effects|controls|dragdrop|dojo|MochiKit|ckeditor|Chart|shCore|shLegacy|html5shiv)\\.js"
    "|mootools[^.]*\\d+\\.\\d+.\\d+[^.]*\\.js|yahoo-[^.]*\\.js|(?:yui|tiny_mce|shBrush|angular|cordova)[^.]*\\.js"
    "|d3(?:\\.v\\d+)?[^.]*\\.js|react(?:-[^.]*)?\\.js|flow-typed/.*\\.js|modernizr-\\d\\.\\d+(?:\\.\\d+)?\\.js"
    "|modernizr\\.custom\\.\\d+\\.js|knockout-(?:\\d+\\.){3}(?:debug\\.)?js|cordova-\\d\\.\\d(?:\\.\\d)?\\.js|foundation(?:\\..*)?\\.js"
    "|[Mm]icrosoft(?:[Mm]vc)?(?:[Aa]jax|[Vv]alidation)(?:\\.debug)?\\.js|extjs/.*?\\.(?:js|xml|txt|html|properties)"
)
_ENDS = "[.-]min\\.(?:js|css)|\\S*import\\." + _STYLES + "|\\.d\\.ts|-vsdoc\\.js|\\.intellisense\\.js"
VENDORED = (
    f"(?:^|/)(?:{_OURS}|{_FOLDERS})/|^(?:{_TOP_FOLDERS})/|^rebar$|{_WITHIN}|(?:^|/)(?:{_FILES}|{_LIBRARIES})$"
    f"|(?:^|/)(?:{_FILES_FROM})|(?:{_ENDS})$"
)
