// What help() and the stubs say. Lines of up to 100 columns.
#pragma once

namespace framering::python::docs {

// --- Frame ---

inline constexpr char kFrame[] =
    R"(One captured picture, read where the daemon put it, and the lease that keeps it there.

The pixels stay as they are until this object and every array over them are gone, or for the
stream's lease time (Stream.lease_ms), whichever comes first; after that the daemon may take the
slot if it has no other, and valid turns False. memoryview(), numpy.asarray(), numpy.from_dlpack()
and torch.from_dlpack() take it: all zero-copy and read-only. Any thread; may outlive its Stream
and Connection.)";

inline constexpr char kSequence[] = "From 1, growing; never reused within a stream of the daemon.";
inline constexpr char kFramePlace[] = R"(Of the first pixel on the desktop, in pixels; 0 for a window.

What reaches out of the desktop is cut off, so that a region may begin further in than it was named.)";
inline constexpr char kFrameEpoch[] = "Grows when the stream's geometry or memory changes.";
inline constexpr char kPixels[] = "Pixels.";
inline constexpr char kStride[] = "Bytes between rows.";
inline constexpr char kFormat[] =
    R"(Named by the order of the bytes in memory; packed formats by their little-endian word.)";
inline constexpr char kMemory[] = "Where the pixels are.";
inline constexpr char kCapture[] =
    "When the capture was requested, in time.monotonic_ns(): no pixel is older.";
inline constexpr char kCaptureDone[] = "When the pixels were complete, in time.monotonic_ns().";
inline constexpr char kPublished[] = "When readers could first see the frame, in time.monotonic_ns().";
inline constexpr char kConfirmed[] =
    R"(Until when the source was known to show this frame when it was taken, in time.monotonic_ns().

At least capture_ns; later where the daemon has confirmed that nothing changed.)";
inline constexpr char kDamage[] = R"(What changed since the frame with the sequence before this one.

Covers every changed pixel.)";
inline constexpr char kDamageSince[] =
    R"(What changed between this frame and the one of this sequence, earlier or later, of this stream.

Covers every pixel that differs, with at most 64 rectangles. All of the frame where that is not known
any more (more than 64 frames apart, or another epoch), and for 0. InvalidArgument after release().)";
inline constexpr char kCursor[] =
    R"(The pointer, of a stream that was opened with cursor='metadata'; else None.

As it was when this frame was captured, or since, if this was still the newest. A frame that next()
returns again, with the same sequence, is there for this alone.)";
inline constexpr char kShape[] =
    R"((height, width, 4) for BGRX8888, RGBX8888 and BGRA8888; (height, width) for XRGB2101010 and RGB565.)";
inline constexpr char kDtype[] = R"(The name of the element type, as numpy.dtype() takes it.

uint8 for BGRX8888, RGBX8888 and BGRA8888, uint32 for XRGB2101010, uint16 for RGB565.)";
inline constexpr char kNbytes[] = "Bytes of the pixels, without the padding of the rows.";

inline constexpr char kValid[] = R"(True if everything read so far was this frame.

Check it after reading where the stream's lease time may have passed. False for good once the
daemon took the slot, and after release().)";
inline constexpr char kDevice[] =
    "The CUDA device of the pixels, by its number in this process; None: host memory.";
inline constexpr char kRelease[] =
    R"(Give up this object's hold of the pixels; arrays made of them keep theirs.

stream, for frames on a CUDA device: the slot is given back once the work that is on this stream by
now is done, by the device itself, and nothing waits for it here. A stream is an object of torch,
CuPy or Numba, or its number; give the one that your kernels read the frame on. With a stream it
raises InvalidArgument (host memory, or the stream is being captured into a graph), Forked, and
Unavailable where the driver refuses; the frame is then held as before.

True if the frame was valid until now, False if its lease was broken or it was released before.)";

inline constexpr char kHandle[] =
    R"(A small, picklable reference: FrameHandle.frame() in another process gives this frame again.

It keeps nothing: once the ring has overwritten the frame, it is gone. Hold this frame until the
other process has it, within the lease time.)";

inline constexpr char kNumpy[] =
    R"(A read-only array over the pixels, without a copy, of this shape and dtype.

It keeps the pixels until it and its views are gone. InvalidArgument after release().)";
inline constexpr char kArray[] =
    R"(For readers that want nothing but arrays in host memory. TypeError for a frame on a CUDA device.)";
inline constexpr char kArrayInterface[] = R"(NumPy's array interface, version 3, read-only.

Its readers keep this object rather than the pixels; so once it was asked for, release() takes
effect when this object goes.)";
inline constexpr char kCudaArrayInterface[] =
    R"(The CUDA array interface, version 3, of a frame on a CUDA device.

The pixels are complete: stream is None. Read-only unless the stream was opened with writable=True,
which torch.as_tensor() insists on; torch.from_dlpack() does not. Its readers keep this object rather
than the pixels, so once it was asked for, release() takes effect when this object goes.
AttributeError for a frame in host memory.)";
inline constexpr char kDlpack[] =
    R"(A DLPack capsule over the pixels, which keeps them until its reader is done.

With max_version of at least (1, 0) it says that they are read-only; without, it cannot: a write then
ends the process (host memory) or faults its CUDA context. copy=True gives the reader writable memory
of its own. On a CUDA device, stream is the one that the reader will use (None and 1: the legacy
default stream, 2: the per-thread one, -1: the reader takes care): when the reader is done, the slot
is given back in the order of that stream. dl_device=(1, 0) then gives a copy in host memory.
BufferError for another device, and for a stream of a frame in host memory.)";
inline constexpr char kDlpackDevice[] = "(1, 0): host memory; (2, n): CUDA device n.";

inline constexpr char kToNumpy[] = R"(A NumPy array, (height, width, channels).

Without arguments the pixels as they are, of this shape and dtype: without a copy and read-only from
host memory, a copy from a CUDA device. With any, converted in one pass; see framering.to_numpy().)";
inline constexpr char kToTorch[] = R"(A torch tensor on the frame's device, (channels, height, width).

Without arguments torch.from_dlpack(): the pixels as they are, of this shape and dtype, without a
copy. With any, converted in one pass on torch's current stream; see framering.to_torch().)";
inline constexpr char kToCupy[] = R"(A CuPy array, (height, width, channels).

Without arguments cupy.from_dlpack(), without a copy; from host memory it is uploaded. With any,
converted in one pass on CuPy's current stream; see framering.to_cupy().)";
inline constexpr char kToJax[] = R"(A JAX array on the frame's device, (height, width, channels).

Without arguments jax.dlpack.from_dlpack(), without a copy. With any, converted in one pass; see
framering.to_jax().)";

inline constexpr char kToTensorflow[] = R"(A TensorFlow tensor, (height, width, channels).

Of a frame in host memory it is on the CPU, a copy; of one on a CUDA device, on that device. Without
arguments the pixels as they are; see framering.to_tensorflow().)";
inline constexpr char kToPil[] =
    R"(A PIL.Image.Image of mode "RGB", "RGBA" (opaque) or "L", of its own memory.

size (height, width), region and resize as framering.to_torch() explains. copy=False is an
InvalidArgument.)";
inline constexpr char kToOpencv[] =
    R"(What OpenCV reads: (height, width, 3) uint8, BGR, C-contiguous, writable.

channels "BGRA" gives (height, width, 4), opaque; "GRAY" (height, width). A copy of its own, or in
out, so that copy=False is an InvalidArgument. The rest is as framering.to_torch() explains. OpenCV
itself is not needed. Of a frame on a CUDA device it is a cv2.cuda.GpuMat there, continuous and written
on the default stream, if cv2 is built with CUDA and out is no array in host memory.)";
inline constexpr char kSave[] = R"(Save as a picture: .png, or .jpg, .jpeg and .webp, which need Pillow.

quality, 1 to 100, is of those. ValueError for another ending. The rest is as framering.to_torch()
explains.)";
inline constexpr char kReprPng[] = "The frame as a PNG, which notebooks show.";

// --- tensors ---

inline constexpr char kTensorSpec[] =
    R"(What a conversion makes of a frame; framering.to_torch() explains the words.

channels 'RGB', 'BGR', 'GRAY'; layout 'HWC', 'CHW'; dtype 'uint8', 'float16', 'bfloat16', 'float32';
size (height, width); region (x, y, width, height) in pixels of the frame; resize 'nearest',
'bilinear', 'area'. InvalidArgument names what is allowed.)";
inline constexpr char kTensorShape[] =
    "Of the result for so many frames of this size in pixels, the frames first.";
inline constexpr char kTensor[] = "A result in memory of its own, for from_dlpack() of any framework.";
inline constexpr char kTensorDlpack[] = R"(A DLPack capsule, writable; frames first, then the layout.

It is complete, so that stream changes nothing. BufferError for copy=True and for another device.)";
inline constexpr char kTensorDevice[] = "(1, 0): host memory; (2, n): CUDA device n.";
inline constexpr char kTensorCopy[] = "Copies the whole result to host memory at this address.";
inline constexpr char kWriteTensor[] = R"(Writes the frames as the spec wants them to memory at this address.

Host frames: host memory, done on return. Frames on a CUDA device: memory of that device, enqueued on
the stream; their slots are given back after that.)";
inline constexpr char kMakeTensor[] = "The same into fresh memory of the frames' device; done on return.";
inline constexpr char kCopyToHost[] =
    R"(Copies the frame's rows, stride bytes each, to host memory at this address.

With a region (x, y, width, height) only that part, packed. Without the GIL.)";
inline constexpr char kRegionDlpack[] =
    R"(Frame.__dlpack__() of a part of it, (x, y, width, height), whose rows keep their distance.)";

// --- Stream ---

inline constexpr char kStream[] =
    R"(An attached stream: an iterator of frames, and a context manager that closes it.

Any thread; each thread that waits gets frames of its own (a frame goes to one of them). It belongs
to the process that opened it: a forked child opens its own.)";

inline constexpr char kNext[] = R"(The next frame that this stream has not returned yet.

That is the newest (mode 'latest'), or the oldest that is still there (mode 'every'). Waits for it,
timeout seconds at most (None: as long as it takes), without the GIL; Ctrl-C ends the wait.
spin_us, 0 to 1,000,000: for so many microseconds it watches for the frame before it sleeps, which
costs a core and saves the wake-up.
Raises TimeoutError, StreamEnded, StreamClosed, Disconnected, LeaseLimit.)";
inline constexpr char kLatest[] = R"(The newest frame, returned before or not.

Waits, timeout seconds at most, only while the stream has none. Raises as next() does.)";
inline constexpr char kWaitUntil[] =
    R"(The newest frame, once it shows the source as it was at capture_ns or later.

capture_ns is a time.monotonic_ns(); None: now. After an action at that moment it is a frame with its
effect, and Frame.confirmed_ns proves it. A frame that was captured after the moment comes by itself;
an unchanged source is not captured again but asked, through the daemon, whether it has changed. A
change that is held back by a rate cap is captured as soon as the daemon's own max_fps allows. Waits,
timeout seconds at most, for a moment in the future too; with 0 it takes what is known already and
asks nobody. spin_us is as in next(), from the call. Raises as next() does.)";
inline constexpr char kWaitLive[] =
    R"(Wait until the stream is not stale: True, or False if it still is after ``timeout`` seconds.

None waits for ever. Raises as next().)";
inline constexpr char kStale[] =
    R"(True while the newest frame shows what was last seen of a source that is hidden.

So it is of a window that is minimised, say. wait_live() waits for its end.)";
inline constexpr char kPosition[] =
    R"(Where the first pixel of the frames is on the desktop now: x and y in pixels.

That of a window moves without new frames.)";
inline constexpr char kIterate[] = R"(next() without a timeout.

close() stops the iteration; StreamEnded and Disconnected are raised.)";
inline constexpr char kAsyncIterate[] = R"(next_async() without a timeout.

close() stops the iteration; StreamEnded and Disconnected are raised.)";
inline constexpr char kNextAsync[] =
    R"(next() for asyncio, trio and anyio: waits in the running event loop, without a thread.

Being cancelled while it waits costs no frame and no lease. TimeoutError after timeout seconds. Any
number of tasks may wait; a frame goes to one of them.)";
inline constexpr char kEvery[] =
    R"(Another stream of this source in mode 'every': each frame in order.

It has leases of its own and is closed by itself: for frame in stream.every(). Raises as open() does.)";
inline constexpr char kFind[] = R"(The frame with this sequence, or None once its slot was overwritten.

It does not count for next() and latest().)";
inline constexpr char kStats[] = R"(How the frames came that this stream has returned; see StreamStats.)";
inline constexpr char kPoll[] = "Stream.next(0), or None if there is none.";
inline constexpr char kWakeFd[] =
    R"(A descriptor that is readable once something came after arm(), and after close().)";
inline constexpr char kArm[] =
    "Asks for one wake-up of the descriptor; look for a frame after it, then wait.";
inline constexpr char kDrain[] = "Reads what made the descriptor readable.";
inline constexpr char kMissed[] =
    R"(Published frames that next() skipped (mode 'latest') or came too late for (mode 'every').)";

inline constexpr char kState[] = R"(Whether the desktop is blanked, locked or away now: a DesktopState.

Costs a load, and asks nobody. Frames go on meanwhile; a change of it returns no frame.)";
inline constexpr char kStreamConfirmed[] =
    R"(Until when the newest frame is known to show the source, in time.monotonic_ns().

With keepalive_ms above 0 it moves at least that often though nothing changes: where it has stood
still for much longer, the source hangs.)";
inline constexpr char kKeepalive[] =
    "Milliseconds after which an unchanged source is confirmed, as the daemon is configured; 0: only when "
    "asked.";
inline constexpr char kAsOpened[] = "As open() was given it.";
inline constexpr char kMaxLeases[] = R"(Frames that may be held at the same time.

1 to 16, and no more than the stream's slots less 3, or 2: the daemon refuses more.)";
inline constexpr char kLeaseMs[] = R"(Milliseconds for which a frame is guaranteed to stay as it is.

What all streams of a process hold of one source beyond its slots less 3 is not guaranteed.)";
inline constexpr char kNewestPixels[] = "Pixels, of the newest epoch.";
inline constexpr char kStreamFormat[] = "See Frame.format.";
inline constexpr char kStreamShape[] = "Of the frames of the newest epoch; see Frame.shape.";
inline constexpr char kStreamEpoch[] = R"(Grows when the stream's geometry or memory changes.

A resize of the source does that; the stream follows by itself.)";

inline constexpr char kReopen[] = R"(After StreamEnded: attach to the source again.

Raises Unavailable while it is gone.)";
inline constexpr char kCloseStream[] = R"(End the stream and wake everyone who waits for it.

Frames and arrays stay. May be called again.)";
inline constexpr char kClosed[] = "True once close() was called.";

// --- Connection ---

inline constexpr char kConnection[] = R"(A connection to frameringd, and a context manager that closes it.

framering.connect() makes it. Any thread. A lost connection stays lost: connect again.)";

inline constexpr char kList[] = "What the daemon offers, and who reads it.";
inline constexpr char kStatsOfDaemon[] =
    R"(What the daemon has counted since its start, as `framering stats --json` prints it.

A dict from the metric's name, say 'framering_captures_total', to its 'type' ('counter', 'gauge' or
'histogram'), its 'help', and its 'samples': a list of dicts with 'labels' and 'value', of a histogram with
'labels', 'buckets' (upper bound as text to the count up to it), 'sum' and 'count'. Times are in seconds.)";
inline constexpr char kDesktop[] =
    R"(The monitors and windows of the display that the daemon captures, now.

Only what the daemon's policy lets this user open. Raises Unavailable where there is no display.)";
inline constexpr char kMonitors[] =
    R"(The monitors: the primary one, then from left to right. Raises as desktop(), and PermissionDenied.

Unavailable also where the X server lacks RANDR 1.5.)";
inline constexpr char kWindows[] =
    R"(The windows, the topmost first, 128 at most. Raises as desktop(), and PermissionDenied.)";
inline constexpr char kWatchDesktop[] =
    R"(Tells when the desktop changes; see DesktopWatch.

A later call takes the place of an earlier one's watch, which then raises Disconnected.)";
inline constexpr char kDesktopWatch[] =
    R"(Iterates over the states of the desktop: the present one, then one for each change.

A change is also one of what Connection.list() tells of the streams that run and who reads them. What
happens before next() is called again is one change. Usable by select() and event loops through
fileno(). One thread at a time; may outlive its Connection.)";
inline constexpr char kNextDesktop[] =
    R"(The desktop: at once the first time, then once it has changed.

``timeout``: seconds; None waits for ever. Raises TimeoutError, Disconnected, and Unavailable while
there is no display: the next call waits until that changes.)";
inline constexpr char kWatchFileno[] = "A descriptor that is readable when next() will not wait.";
inline constexpr char kCloseWatch[] = "Give the watch up. May be called again.";
inline constexpr char kOpen[] = R"(Open a stream of frames.

source: a StreamInfo.source of list().
memory: 'auto' takes what the daemon prefers; 'host', 'cuda' and 'cuda-ipc' never fall back, and
    'cuda:1' or 'cuda:GPU-...' asks for a device, by its number here or its UUID.
mode: 'latest' returns the newest frame and skips what came between, 'every' returns each in order
    as long as the ring still has it.
max_leases: frames held at the same time, by Frame objects or arrays over them; 1 to 16.
max_fps: frames a second that next() returns at most; None: as they come.
cursor: 'hidden' frames are without the pointer; with 'metadata' too, but Frame.cursor tells of it and
    next() returns when it moves; 'embedded' paints it into the frames, which makes them another
    stream than the plain ones.
writable: maps a CUDA device's frames for writing too, for readers that refuse read-only memory, such
    as torch.as_tensor(). Whoever writes changes what every other process sees: do not.

Raises NotFound, InvalidArgument, MemoryUnavailable, QuotaExceeded, Unavailable, Disconnected.)";
inline constexpr char kCloseConnection[] = R"(Give the connection up; streams opened from it go on.

May be called again.)";

// --- module ---

inline constexpr char kModule[] = "The C++ client of framering; import framering instead.";
inline constexpr char kConnect[] = "framering.connect(); an empty path means the default one.";
inline constexpr char kVersion[] = "Of the client: framering.__version__.";

}  // namespace framering::python::docs
