"""`--use_profile` through a real launcher, and TensorBoard's profiler page on what it left."""

import importlib.util
import json
import signal
import socket
import time
import urllib.error
import urllib.request

import pytest

from tests.whole.conftest import UNET2D, assert_same_results, told

PROFILE = "baseline/cmd/profile"


@pytest.fixture(scope="module")
def profiled(trained, tmp_path_factory):
    """The run of `trained`, stopped after its first epoch and gone on with under the profiler."""
    from tests.whole.conftest import Press

    press = Press(trained.python, trained.cache, tmp_path_factory.mktemp("profiled"))
    press(UNET2D, "--schedule_epochs", "4", COUNT="1")
    press.said = press(UNET2D, "--use_profile", COUNT="4").stdout
    return press


def test_a_profiled_run_has_the_same_results_bit_for_bit(profiled, trained):
    assert_same_results(profiled.run(), trained.run())


def test_a_short_start_says_what_it_will_do_and_prints_the_table(profiled):
    assert "profile  epoch 2 is left alone, epoch 3 is timed, epoch 4 is recorded" in profiled.said
    assert "takes 5 epochs and this start trains 3" in profiled.said
    logs = profiled.run() / "logs"
    assert (logs / "profile.txt").read_text() in profiled.said
    shares = json.loads((logs / "profile.json").read_text())["shares"]
    for name in ("data", "augmentation", "forward", "backward", "optimiser", "inference"):
        assert shares[name]["seconds"] > 0, name
    assert shares["scoring"]["seconds"] > 0 and shares["saving"]["seconds"] > 0
    assert sum(one["share"] for one in shares.values()) == pytest.approx(1)
    assert shares["other"]["share"] < 0.5


def test_the_command_prints_the_table_the_traces_and_how_to_open_them(profiled):
    run = profiled.run()
    pressed = profiled(PROFILE, "--run", run, "--port", "6123", "--print_only")
    assert (run / "logs" / "profile.txt").read_text() in pressed.stdout
    assert f"{run}/logs/epoch-0004-train.pt.trace.json.gz" in pressed.stdout
    assert "http://localhost:6123/#pytorch_profiler" in pressed.stdout
    assert "ssh -L 6123:localhost:6123" in pressed.stdout and "perfetto.dev" in pressed.stdout


def test_what_cannot_be_opened_is_told(profiled, trained):
    refused = trained(PROFILE, "--run", trained.run(), code=2)
    assert "--use_profile" in told(refused)
    with socket.create_server(("localhost", 0)) as other:
        port = str(other.getsockname()[1])
        taken = profiled(PROFILE, "--run", profiled.run(), "--port", port, code=2)
    assert f"--port {port}: cannot be used" in told(taken)


@pytest.mark.skipif(
    importlib.util.find_spec("torch_tb_profiler") is None,
    reason="needs torch-tb-profiler (requirements.txt)",
)
def test_tensorboards_profiler_page_has_the_traces_and_reads_them(profiled):
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    process = profiled.begin(PROFILE, "--run", profiled.run(), "--port", port)
    try:
        page = f"http://localhost:{port}/data/plugin/pytorch_profiler"
        assert _answer(process, f"{page}/runs", lambda found: found["runs"])["runs"] == ["logs"]
        workers = _answer(process, f"{page}/workers?run=logs&view=Overview")
        assert workers == ["epoch-0004-evaluate", "epoch-0004-train"]
        of = "run=logs&worker=epoch-0004-train&span=default"
        steps = _answer(process, f"{page}/overview?{of}&view=Overview")["steps"]["rows"]
        assert len(steps) == 10
        rows = _answer(process, f"{page}/operation/table?{of}&view=Operator&group_by=Operation")
        assert "aten::convolution_backward" in {row["name"] for row in rows["data"]}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _answer(process, address, ready=lambda found: True):
    """What the page answers once it is `ready`; TensorBoard takes a while to start and to read."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            found = None
        if found is not None and ready(found):
            return found
        time.sleep(0.2)
    raise AssertionError(f"{address}: no answer")
