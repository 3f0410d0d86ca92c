"""The words of a package: its Dockerfile and its README."""

import sys

DOCKERFILE = """\
# Finds the points of a stack of X-rays: no network, no user but `algorithm`, one stack in, one JSON out.
FROM python:{python}-slim

RUN groupadd -r algorithm && useradd -m --no-log-init -r -g algorithm algorithm \\
    && mkdir -p /opt/algorithm /input /output \\
    && chown algorithm:algorithm /opt/algorithm /input /output

WORKDIR /opt/algorithm
COPY requirements.txt .
RUN python -m pip install --no-cache-dir -r requirements.txt
COPY --chown=algorithm:algorithm process.py package.json ./
COPY --chown=algorithm:algorithm code code
COPY --chown=algorithm:algorithm model model

USER algorithm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["python", "-I", "process.py"]
"""

README = """\
Finds {points} points by {runs}: reads the stack in {source}/, writes {output}.
Build: `docker build -t landmarks . && docker save landmarks | gzip > landmarks.tar.gz`.
Check without Docker, in a clone of MOS: `.scripts/landmark/cmd/package --check <this folder>`.
"""


def dockerfile() -> str:
    """For the Python that made the package, since its pins were tried with that one."""
    return DOCKERFILE.format(python=f"{sys.version_info.major}.{sys.version_info.minor}")
