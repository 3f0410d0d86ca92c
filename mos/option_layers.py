"""What a command line, an environment and a file say about options: their texts, not yet values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mos.errors import BadInput
from mos.near_miss import did_you_mean, nearest, slips
from mos.option_values import Option

Texts = dict[str, str | list[str]]

# Names that speak to the launcher or to the whole library and are no option of any program.
RESERVED = (
    "MOS_PYTHON",
    "MOS_PIP_ARGS",
    "MOS_PROCESSES",
    "MOS_CACHE",
    "MOS_CHECKPOINT",
    "MOS_DEBUG",
    "MOS_KERNEL",
)


def split_typed(argv: list[str], environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The words a launcher wrote and those typed behind it; without a launcher all were typed."""
    count = environ.get("_MOS_TYPED", "")
    typed = int(count) if count.isdecimal() and int(count) <= len(argv) else len(argv)
    return argv[: len(argv) - typed], argv[len(argv) - typed :]


def read_flags(words: list[str], options: Mapping[str, Option]) -> Texts:
    """`--name value`, `--name=value`, a bare `--switch`; a value may start with `-`."""
    texts: Texts = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("-") or word in ("-", "--"):
            raise BadInput(f"{word!r} stands alone; write options as --name value (all: --help)")
        if not word.startswith("--") or name not in options:
            near = did_you_mean(name.lstrip("-"), options, "--")
            raise BadInput(f"unknown option {word.partition('=')[0]}{near} (all: --help)")
        option = options[name]
        if equals:
            words_given = [value]
        elif option.is_switch:
            is_value = bool(rest) and rest[0].lower() in ("true", "false", "1", "0", "yes", "no")
            words_given = [rest.pop(0)] if is_value else ["true"]
        else:
            words_given = []
            while rest and not _is_flag(rest[0]) and (option.takes_many or not words_given):
                words_given.append(rest.pop(0))
            if not words_given:
                raise BadInput(f"--{name} lacks its value: needs {option.needs}. {option.help}")
        if option.takes_many:
            texts[name] = [*texts.get(name, []), *words_given]
        else:
            texts[name] = words_given[0]
    return texts


def _is_flag(word: str) -> bool:
    """Whether a word starts the next option: `--note --seed 3` forgot the note, `-5` is a value."""
    return word.startswith("--") and len(word) > 2


def read_environment(
    environ: Mapping[str, str], options: Mapping[str, Option], defaults: set[str]
) -> Texts:
    """What the environment sets; an empty variable counts as unset.

    Raises:
        BadInput: a MOS_ name that is no option, or a name like SETTING with a letter off.
    """
    by_env = {o.env: name for name, o in options.items()}
    texts: Texts = {}
    for variable in sorted(environ):
        value = environ[variable]
        if not value or variable in RESERVED:
            continue
        if variable in by_env:
            if variable not in defaults:
                texts[by_env[variable]] = value
        elif variable == "MOS_CONFIG":
            raise BadInput("environment variable MOS_CONFIG: a file is given as --config FILE")
        elif variable.startswith("MOS_"):
            owner = options.get(variable[4:].lower())
            right = owner.env if owner else nearest(variable, [*by_env, *RESERVED])
            hint = f"; write {right}={value}" if right else "; --help lists all names"
            raise BadInput(f"environment variable {variable}={value!r} sets no option{hint}")
        else:
            for right in {"SETTING", "COUNT"} & by_env.keys():
                if variable in slips(right):
                    raise BadInput(
                        f"environment variable {variable}={value!r} looks like a misspelt {right}; "
                        f"write {right}={value}, or unset {variable}"
                    )
    return texts


def check_reserved(environ: Mapping[str, str]) -> None:
    """Refuses a slip in a name that speaks to every program, such as MOS_CHEKPOINT.

    For programs that take no options from the environment: there MOS_LEARNING_RATE is another
    program's and means nothing, but a misspelt MOS_CHECKPOINT would quietly look elsewhere.

    Raises:
        BadInput: names the right one.
    """
    for variable in sorted(environ):
        for right in RESERVED:
            if environ[variable] and variable in slips(right):
                raise BadInput(
                    f"environment variable {variable}={environ[variable]!r} looks like a misspelt "
                    f"{right}; write {right}={environ[variable]}, or unset {variable}"
                )


def read_file(
    path: str,
    options: Mapping[str, Option],
    load: Callable[[Path], Mapping[str, Any]] | None = None,
) -> Texts:
    """The options in a `--config` file, or in the record of a run (`run.json`, under `options`)."""
    content = (load or _load_yaml)(Path(path))
    if isinstance(content, Mapping) and isinstance(content.get("options"), Mapping):
        content = content["options"]
    if not isinstance(content, Mapping):
        raise BadInput(f"--config {path}: needs lines such as `learning_rate: 1e-3`")
    texts: Texts = {}
    for name, value in content.items():
        if name not in options:
            near = did_you_mean(str(name), options)
            raise BadInput(f"--config {path}: unknown option {name!r}{near}")
        if isinstance(value, Mapping):
            raise BadInput(f"--config {path}: {name}: needs {options[name].needs}, found a mapping")
        texts[name] = (
            [_plain(v) for v in value] if isinstance(value, (list, tuple)) else _plain(value)
        )
    return texts


def _plain(value: Any) -> str:
    return "none" if value is None else str(value)


def _load_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        # BaseLoader keeps every scalar as its text: the options say what it means, not YAML's
        # guess (`tag: on` is the text "on", `1e-3` a number).
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except OSError as error:
        raise BadInput(
            f"--config {path}: {error.strerror}; give the path of a YAML file"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"--config {path}: is no YAML: {' '.join(str(error).split())}") from error
    return content if content is not None else {}
