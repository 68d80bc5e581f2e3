"""Is the Ray node of this container well? Exit 0 if so; else say why and exit 1, as a container's health check does.

    python healthy.py [AGENT_PORT [DASHBOARD_PORT]]

Every node has an agent, which knows whether its raylet (and on the head, the cluster's store) answers. A head is ready
for jobs when its dashboard answers too: give its port as well. http.client rather than `ray health-check`: a tenth of
the time to start, no token needed, and no proxy of the environment comes between.
"""

import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 3  # for each of two answers, within the 8 s that the Dockerfile gives


def ask(port: int, path: str) -> str | None:
    """Return None if all is well at this port of this container, else what is wrong."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return None if answer.status == 200 else f"{answer.status} {answer.read().decode(errors='replace')}"
    except (OSError, HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def healthy(agent_port: int = 52365, dashboard_port: int | None = None) -> int:
    """Print what is wrong, if anything, and return the exit code."""
    asked = [(agent_port, "/api/healthz")]
    if dashboard_port is not None:
        asked.append((dashboard_port, "/api/gcs_healthz"))
    wrong = [f"port {port}: {found}" for port, path in asked if (found := ask(port, path)) is not None]
    print("\n".join(wrong) or "healthy")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(healthy(*map(int, sys.argv[1:])))
