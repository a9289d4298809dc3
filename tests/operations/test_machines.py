"""Several machines: a site leaves, comes back, or meets a fault, and readers lose nothing."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Fault, StandIn
from tests.conftest import EXAMPLE, credential_for
from tests.serving import serve

THREAD = f"/conversations/{EXAMPLE}/"


# A site that leaves -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_site_that_ends_answers_what_it_has_and_takes_nothing_more(
    omni: StandIn, owner: User, tmp_path: Path, dialect: str
) -> None:
    """A proxy that is refused asks another site, for forms too; one that waits could not."""
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    omni.fail(Fault.delay(3.0), path="/v1/ai", times=1)
    with serve(tmp_path, workers=2) as site, ThreadPoolExecutor() as pool:
        port = int(site.url.rpartition(":")[2])
        waiting = pool.submit(site.reader(owner).get, site.url + THREAD, timeout=30)
        time.sleep(1.0)
        os.kill(site.pid, signal.SIGTERM)
        time.sleep(0.5)
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        assert not waiting.done()
        assert waiting.result(timeout=30).status_code == 200
