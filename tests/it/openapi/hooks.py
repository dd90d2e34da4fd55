"""What the formats of docs/openapi.json are that no schema can say: values that have to be taken."""

import json

import schemathesis
from hypothesis import strategies as st

WORD = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
NAME = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)
SPAN = st.from_regex(r"[1-9][0-9]{0,2}(s|m|h|d)", fullmatch=True)
TIME = st.one_of(
    st.sampled_from(["now", "2026-11-22T10:00:00Z", "2026-11", "1795341600", "1795341600123456789"]),
    SPAN.map(lambda span: f"-{span}"),
    SPAN,
)
FILTER = st.one_of(
    st.just("*"),
    WORD,
    st.tuples(WORD, WORD).map(lambda two: f"{two[0]} or app:={two[1]}"),
    WORD.map(lambda word: f'"{word} \\"x\\"" -level:debug'),
    WORD.map(lambda word: f"_msg:~`{word}.*`"),
)
PIPES = st.sampled_from(["", " | limit 3", " | fields app, _time", " | sort by (_time) desc limit 5", " | uniq by (app)"])
STATS = st.sampled_from([" | stats count() n", " | stats by (app) count() n", " | stats by (level) max(seq) m | limit 2"])
LINES = st.lists(
    st.fixed_dictionaries({"_msg": st.text(max_size=20)}, optional={"app": NAME, "level": WORD, "_time": st.just(0)}),
    max_size=4,
)


def lines(rows):
    """Rows as lines of JSON."""
    return "".join(json.dumps(row) + "\n" for row in rows)


for name, strategy in {
    "logway-name": NAME,
    "logway-expiry": st.sampled_from(["1h", "30d", "2099-12-31", "2099-12-31T12:00:00Z"]),
    "logway-names": st.lists(NAME, max_size=2).map(",".join),
    "logway-level": st.sampled_from(["", "info", "warn,error", ">=warn", "<info", "=debug"]),
    "logway-provider": st.sampled_from(["", "app", "runner,proxy", "import"]),
    "logway-stream": st.sampled_from(["", "stderr", "stdout,init", "agent"]),
    # Others are for those alone who were given them.
    "logway-cursor": st.just(""),
    "logway-code": st.sampled_from(["PU02", "LR13", "lq01", "LS02"]),
    "logway-span": SPAN,
    "logway-time": TIME,
    "logway-timeout": st.sampled_from(["5s", "10", "29.5s"]),
    "logway-step": st.one_of(SPAN, st.just("3600")),
    "logway-fields": WORD.map(lambda word: f"{word}*"),
    "logway-subject": NAME.map(lambda app: f"logs.{app}.>"),
    "logway-lines": LINES.map(lines),
    "logsql": st.tuples(FILTER, PIPES).map("".join),
    "logsql-filter": FILTER,
    "logsql-stats": st.tuples(FILTER, STATS).map("".join),
    "logsql-extra": st.one_of(WORD, WORD.map(lambda word: '{"app":["%s"]}' % word)),
}.items():
    schemathesis.openapi.format(name, strategy)


@schemathesis.deserializer("application/json")
def read_json(_, response):
    """JSON, and lines of it, whose type is taken for that of one document."""
    if response.headers["content-type"][0].startswith("application/stream+json"):
        text = response.content.decode()
        for line in text.splitlines():
            json.loads(line)
        return text
    return response.json()


@schemathesis.serializer("application/x-ndjson")
def write_lines(_, value):
    """Lines as they are. Anything else is no line, and has to be refused."""
    return value.encode() if isinstance(value, str) else b"no line"


@schemathesis.hook
def filter_query(_, query):
    """Of an argument that comes more than once the first counts, and an empty one is not there: neither is wrong, whatever the schema says."""
    many = (isinstance(value, (list, tuple)) and name != "field" for name, value in (query or {}).items())
    empty = (value == "" and name != "next_token" for name, value in (query or {}).items())
    return not any(many) and not any(empty)


@schemathesis.hook
def filter_body(_, body):
    """Names are measured in bytes, and the schema counts characters: what is too long for one alone is neither right nor wrong. No line
    is no wrong line."""
    if not isinstance(body, dict):
        return not isinstance(body, str) or body.strip() != ""
    lists = [value for value in body.values() if isinstance(value, list)]
    names = [(name, 63) for value in lists for name in value] + [(body.get("name"), 128)]
    texts = [(name, most) for name, most in names if isinstance(name, str)]
    return all(len(name) > most or len(name.encode(errors="replace")) <= most for name, most in texts)
