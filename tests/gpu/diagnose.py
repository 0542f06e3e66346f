import statistics, sys, tempfile, time
from pathlib import Path
import framering, torch
sys.path.insert(0, str(Path(__file__).parent))
from bench import GpuBench, ROOT, SIZE
import os

def spin(label, before=lambda: None):
    """Where the time of next(spin_us) goes in Python."""
    with tempfile.TemporaryDirectory() as folder:
        bench = GpuBench(ROOT / "build" / "release", 3, Path(folder))
        with bench.daemon("", "--source", "test:64x48@120") as (env, _), framering.open("test:64x48@120", socket=env["FRAMERING_SOCKET"]) as stream:
            before()
            total, lead, direct = [], [], []
            for i in range(250):
                frame = stream.next(spin_us=20000)
                now = time.monotonic_ns()
                total.append((now - frame.published_ns) / 1000)
                lead.append((frame.published_ns - frame.capture_ns) / 1000)
                frame.release()
            stats = stream.stats
            inside = stats.age_p50_ms * 1000 - statistics.median(lead) if hasattr(stats, "age_p50_ms") else stats
            print("spin", label, "total p50", statistics.median(total), "capture to publish", statistics.median(lead), "age in the binding less that", inside)
            total = []
            for i in range(250):  # in Python itself: what is warm stays warm
                while True:
                    try:
                        frame = stream.next(0)
                        break
                    except TimeoutError:
                        pass
                now = time.monotonic_ns()
                total.append((now - frame.published_ns) / 1000)
                frame.release()
            print("spin", label, "by next(0) in Python, p50", statistics.median(total), flush=True)

def med(f, n=300, pause=0.0):
    out = []
    for _ in range(n):
        if pause: time.sleep(pause)
        begin = time.perf_counter_ns(); f(); out.append(time.perf_counter_ns() - begin)
    return f"{statistics.median(out) / 1000:.1f}"

import gc
spin("plain")
spin("without gc", gc.disable)
with tempfile.TemporaryDirectory() as folder:
    bench = GpuBench(ROOT / "build" / "release", 3, Path(folder))
    with bench.xvfb(SIZE) as (display, _), bench.daemon(display) as (env, _):
        stream = framering.open(socket=env["FRAMERING_SOCKET"], max_leases=3)
        frame = stream.latest()
        stream2 = torch.cuda.current_stream()
        kw = dict(channels="RGB", layout="CHW", dtype=torch.float16)
        out = frame.to_torch(**kw)
        sync = stream2.synchronize
        handle = stream2.cuda_stream
        plan = framering._tensors._plan(frame.width, frame.height, 1, "RGB", "CHW", "float16", None, None, "bilinear", None, (0.,) * 3, (1.,) * 3)[0]
        core = framering._core
        torch.cuda.synchronize()
        for pause in (0.0, 0.005):
            e = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            gpu = []
            for _ in range(200):
                time.sleep(pause)
                e[0].record(); core.write_tensor([frame], plan, out.data_ptr(), handle); e[1].record(); sync()
                gpu.append(e[0].elapsed_time(e[1]) * 1000)
            print("GPU time of the conversion with this pause", statistics.median(gpu))
            print("pause", pause, "us:",
                "empty", med(lambda: torch.empty((3, 2160, 3840), dtype=torch.float16, device="cuda"), pause=pause),
                "stream", med(lambda: torch.cuda.current_stream(), pause=pause),
                "write_tensor", med(lambda: core.write_tensor([frame], plan, out.data_ptr(), handle), pause=pause),
                "+sync", med(lambda: (core.write_tensor([frame], plan, out.data_ptr(), handle), sync()), pause=pause),
                "to_torch out", med(lambda: frame.to_torch(**kw, out=out), pause=pause),
                "to_torch", med(lambda: frame.to_torch(**kw), pause=pause),
                "to_torch+sync", med(lambda: (frame.to_torch(**kw), sync()), pause=pause),
                "torch kernel+sync", med(lambda: (out.zero_(), sync()), pause=pause),
                "sync idle", med(sync, pause=pause),
                "clock", med(lambda: time.monotonic_ns(), pause=pause))
            def whole():
                f = stream.latest(); f.to_torch(**kw); f.release(stream=stream2); sync()
            def whole2():
                f = stream.latest(); f.to_torch(**kw, out=out); sync(); f.release(stream=stream2)
            def whole3():
                f = stream.latest(); f.to_torch(**kw); f.release(); sync()
            def begin():
                f = stream.latest(); f.release()
            print("  latest+release", med(begin, pause=pause), "plain release", med(whole3, pause=pause))
            print("  latest+to_torch+release+sync", med(whole, pause=pause), "out, sync, release", med(whole2, pause=pause), flush=True)
