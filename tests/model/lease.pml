/* The lease protocol of proto/lease.h as daemon/ring.cpp and a client use it, under a memory that is weaker
   than x86 and ARM alike. `run` checks it with every step in place, and once without each of these, with
   -DWITHOUT_STEP. Then the one promise beside the step must not hold:

   READER_STORE_ORDER     GUARANTEE    the lease is stored in order with the check after it
   READER_CHECK_ORDER     GUARANTEE
   READER_CHECK           GUARANTEE    the slot's sequence is loaded again after the lease was stored
   DAEMON_MARK_ORDER      GUARANTEE    the mark is stored in order with the scan after it
   DAEMON_SCAN_ORDER      GUARANTEE
   SECOND_SCAN            GUARANTEE    the leases are looked at again after the mark
   PIDFD                  GUARANTEE    only a dead client loses its leases
   STILL_VALID            INTACT       a reader looks at the slot's sequence after the pixels
   VALID_FENCE            INTACT
   OVERWRITTEN            INTACT       the slot is marked as overwritten before the pixels change
   OVERWRITTEN_FENCE      INTACT
   PUBLISH_ORDER          INTACT       the sequence is visible after the pixels
   RESTORE                GIVEN_BACK   a slot that turns out to be leased is unmarked
   SPARING_LATEST         LATEST_KEPT  the newest frame is never overwritten

   Memory. Each process has a store buffer; buffered stores become visible in any order, except that
   - a release or seq_cst store waits until all earlier stores of its process are visible,
   - a seq_cst load waits until all earlier seq_cst stores of its process are visible,
   - a full fence waits until all earlier stores are visible.
   Acquire loads keep their place among the loads after them, so loads need a buffer nowhere: where an order is
   left out, the load is made at the worst moment.

   Time. A lease is `kYoung` from when the daemon first sees it and may become `kOld`, beyond its guarantee, at
   any later begin_write() unless its frame is the newest. */

/* -DSLOTS=2..3 -DREADERS=1..2 -DFRAMES=n; -DPROMISES=... checks these alone. */

#define INTACT 1       /* what counts as valid is the frame */
#define GUARANTEE 2    /* within its guarantee a lease is valid */
#define GIVEN_BACK 4   /* a mark that was taken back has left no trace */
#define LATEST_KEPT 8  /* the slot that is overwritten is not the one that readers are sent to */
#ifndef PROMISES
#define PROMISES (INTACT | GUARANTEE | GIVEN_BACK | LATEST_KEPT)
#endif
#define PROMISE(which, holds) assert(!(PROMISES & (which)) || (holds))

/* What a sequence word holds besides a sequence. */
#define TENTATIVE 64
#define OVERWRITTEN 128

/* The words in shared memory; each has one writer. Pixels are one word: the sequence of the frame shown. */
#define SEQUENCE(slot) (slot)
#define PIXELS(slot) (SLOTS + (slot))
#define LATEST (2 * SLOTS)
#define LEASE(reader) (2 * SLOTS + 1 + (reader))
#define WORDS (2 * SLOTS + 1 + READERS)
#define DAEMON READERS
#define NONE 255

#define PACK(sequence, slot) ((sequence) << 2 | (slot))
#define SLOT_OF(word) ((word) & 3)

byte memory[WORDS];
chan buffer[WORDS] = [1] of { byte, bool };
byte buffered[READERS + 1];   /* stores of this process that are not visible yet */
bool ordered[READERS + 1];    /* one of them is seq_cst */

#define WRITER(word) ((word) <= LATEST -> DAEMON : (word) - LEASE(0))
#define COMMIT(word) \
  atomic { buffer[word] ? memory[word], was_ordered; buffered[WRITER(word)]--; \
           ordered[WRITER(word)] = ordered[WRITER(word)] && !was_ordered; was_ordered = false }

proctype Memory() {
  bool was_ordered;
end:
  do
  :: COMMIT(SEQUENCE(0))
  :: COMMIT(SEQUENCE(1))
  :: COMMIT(PIXELS(0))
  :: COMMIT(PIXELS(1))
#if SLOTS > 2
  :: COMMIT(SEQUENCE(2))
  :: COMMIT(PIXELS(2))
#endif
  :: COMMIT(LATEST)
  :: COMMIT(LEASE(0))
#if READERS > 1
  :: COMMIT(LEASE(1))
#endif
  od
}

inline store_relaxed(process, word, value) {
  atomic { buffer[word] ! value, false; buffered[process]++ }
}
inline store_release(process, word, value) {
  atomic { buffered[process] == 0 -> buffer[word] ! value, false; buffered[process]++ }
}
inline store_seq_cst(process, word, value) {
  atomic { buffered[process] == 0 -> buffer[word] ! value, true; buffered[process]++; ordered[process] = true }
}
#define FENCE(process) (buffered[process] == 0)
#define LOAD(word) memory[word]
#define MAY_LOAD_SEQ_CST(process) (!ordered[process])

/* --- What the daemon knows, and what only the proof does. --- */

mtype = { kUnseen, kYoung, kOld };

byte held[SLOTS];      /* the sequence in each slot, 0: none */
byte newest = NONE;    /* slot */
byte next_sequence = 1;
mtype pin[READERS * SLOTS];
bool attached[READERS];
#define PIN(reader, slot) pin[(reader) * SLOTS + (slot)]

bool dead[READERS];
byte holding[READERS];   /* proof: the slot that the reader holds, or NONE */
bool excused[READERS];   /* proof: its guarantee has run out */

/* --- A reader: proto::acquire, still_valid, release. --- */

proctype Reader(byte me) {
  byte slot, sequence, seen, pixels;
idle:
  do
  :: atomic {
       /* A frame's name, from `latest` or from the slots, is only a hint. */
       if
       :: slot = 0
       :: slot = 1
#if SLOTS > 2
       :: slot = 2
#endif
       fi;
       sequence = LOAD(SEQUENCE(slot)) & ~TENTATIVE;
       if
       :: sequence == OVERWRITTEN -> slot = 0; sequence = 0; goto idle
       :: else
       fi
     }
#ifdef WITHOUT_READER_STORE_ORDER
     store_relaxed(me, LEASE(me), PACK(sequence, slot));
#else
     store_seq_cst(me, LEASE(me), PACK(sequence, slot));
#endif
     atomic {
#ifndef WITHOUT_READER_CHECK_ORDER
       MAY_LOAD_SEQ_CST(me);
#endif
#ifdef WITHOUT_READER_CHECK
       seen = sequence;
#else
       seen = LOAD(SEQUENCE(slot));
#endif
       if
       :: seen == sequence -> holding[me] = slot; excused[me] = (PIN(me, slot) == kOld)
       :: else -> goto drop
       fi
     }
     if
     :: true
     :: dead[me] = true; goto end   /* killed while it holds a lease */
     fi;
#ifdef WITHOUT_VALID_FENCE
     seen = LOAD(SEQUENCE(slot)) & ~TENTATIVE;
#endif
     pixels = LOAD(PIXELS(slot));
#ifdef WITHOUT_STILL_VALID
     seen = sequence;
#else
#ifndef WITHOUT_VALID_FENCE
     seen = LOAD(SEQUENCE(slot)) & ~TENTATIVE;
#endif
#endif
     atomic {
       PROMISE(INTACT, seen != sequence || pixels == sequence);
       PROMISE(GUARANTEE, seen == sequence || excused[me]);
       holding[me] = NONE;
       excused[me] = false;
drop:
       seen = 0;
       pixels = 0
     }
     store_release(me, LEASE(me), 0);
     atomic { slot = 0; sequence = 0 }
  od;
end:
  skip
}

/* --- The daemon: Ring::begin_write, publish, abandon, retract. --- */

byte leased, young;   /* a bit for each slot, as the last scan found it */

inline scan() {
  atomic { leased = 0; young = 0; reader = 0 };
  do
  :: reader == READERS -> reader = 0; break
  :: atomic {
       reader < READERS &&
#ifndef WITHOUT_DAEMON_SCAN_ORDER
       MAY_LOAD_SEQ_CST(DAEMON) &&
#endif
       true ->
       word = LOAD(LEASE(reader));
       if
       :: attached[reader] && word != 0 && held[SLOT_OF(word)] == word >> 2 ->
          leased = leased | 1 << SLOT_OF(word);
          if
          :: PIN(reader, SLOT_OF(word)) == kUnseen -> PIN(reader, SLOT_OF(word)) = kYoung
          :: else
          fi;
          if
          :: PIN(reader, SLOT_OF(word)) == kYoung -> young = young | 1 << SLOT_OF(word)
          :: else
          fi
       :: else
       fi;
       word = 0;
       reader++
     }
  od
}

/* Time passes: leases get old, dead clients are seen to be dead. */
inline pass_time() {
  atomic {
    reader = 0;
    do
    :: reader < READERS ->
       slot = 0;
       do
       :: slot < SLOTS ->
          if
          :: PIN(reader, slot) == kYoung && slot != newest ->
             PIN(reader, slot) = kOld;
             excused[reader] = excused[reader] || holding[reader] == slot
          :: true
          fi;
          slot++
       :: else -> break
       od;
       if
#ifdef WITHOUT_PIDFD
       :: attached[reader] = false   /* taken for dead because its socket closed */
#endif
       :: dead[reader] -> attached[reader] = false
       :: true
       fi;
       reader++
    :: else -> break
    od;
    reader = 0;
    slot = 0
  }
}

/* With nothing under way every slot says what it holds. */
inline check_slots() {
  atomic {
    if
    :: buffered[DAEMON] == 0 ->
       slot = 0;
       do
       :: slot < SLOTS ->
          PROMISE(GIVEN_BACK, memory[SEQUENCE(slot)] == (held[slot] == 0 -> OVERWRITTEN : held[slot]));
          PROMISE(GIVEN_BACK, held[slot] == 0 || memory[PIXELS(slot)] == held[slot]);
          slot++
       :: else -> break
       od;
       slot = 0
    :: else
    fi
  }
}

proctype Daemon() {
  byte reader, word, slot;
  bool breaking;
begin:
  do
  :: next_sequence > FRAMES -> break
  :: atomic {
       next_sequence <= FRAMES ->
       check_slots();
       pass_time();
       if
       :: newest != NONE -> store_seq_cst(DAEMON, LATEST, 0); newest = NONE   /* retract() */
       :: true
       fi
     }
     scan();
     atomic {
       if
       :: slot = 0
       :: slot = 1
#if SLOTS > 2
       :: slot = 2
#endif
       fi;
       if
#ifndef WITHOUT_SPARING_LATEST
       :: slot == newest -> slot = 0; goto begin
#endif
       :: young & 1 << slot -> slot = 0; goto begin
       :: else -> breaking = (leased & 1 << slot) != 0
       fi;
       if
       :: held[slot] == 0 -> goto write
       :: else
       fi;
#ifdef WITHOUT_DAEMON_MARK_ORDER
       store_relaxed(DAEMON, SEQUENCE(slot), held[slot] | TENTATIVE)
#else
       store_seq_cst(DAEMON, SEQUENCE(slot), held[slot] | TENTATIVE)
#endif
     }
#ifndef WITHOUT_SECOND_SCAN
     scan();
#endif
     atomic {
       if
       :: (breaking -> young : leased) & 1 << slot ->
#ifndef WITHOUT_RESTORE
          store_release(DAEMON, SEQUENCE(slot), held[slot]);
#endif
          slot = 0;
          breaking = false;
          goto begin
       :: else
       fi;
#ifndef WITHOUT_OVERWRITTEN
       store_seq_cst(DAEMON, SEQUENCE(slot), OVERWRITTEN)
#endif
     }
#ifndef WITHOUT_OVERWRITTEN_FENCE
     FENCE(DAEMON);
#endif
write:
     atomic {
       PROMISE(LATEST_KEPT, memory[LATEST] == 0 || SLOT_OF(memory[LATEST]) != slot);
       held[slot] = 0;
       breaking = false;
       leased = 0;
       young = 0;
       reader = 0;
       do
       :: reader < READERS -> PIN(reader, slot) = kUnseen; reader++
       :: else -> reader = 0; break
       od;
       store_relaxed(DAEMON, PIXELS(slot), next_sequence);
       if
       :: true
       :: next_sequence++; slot = 0; goto begin   /* abandon() */
       fi
     }
#ifdef WITHOUT_PUBLISH_ORDER
     store_relaxed(DAEMON, SEQUENCE(slot), next_sequence);
#else
     store_seq_cst(DAEMON, SEQUENCE(slot), next_sequence);
#endif
     atomic {
       store_seq_cst(DAEMON, LATEST, PACK(next_sequence, slot));
       held[slot] = next_sequence;
       newest = slot;
       next_sequence++;
       slot = 0
     }
  od
}

init {
  byte i;
  atomic {
    do
    :: i < SLOTS -> memory[SEQUENCE(i)] = OVERWRITTEN; i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < READERS -> holding[i] = NONE; attached[i] = true; i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < READERS * SLOTS -> pin[i] = kUnseen; i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < READERS -> run Reader(i); i++
    :: else -> break
    od;
    i = 0;
    run Daemon();
    run Memory()
  }
}
