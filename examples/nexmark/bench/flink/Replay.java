import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** The events, from arrays that were filled before, or made as they are read; a split for each subtask. */
final class Replay implements Source<Events.Event, Replay.Split, Replay.None> {
    /** What is replayed: by split. Null: events are made. */
    static volatile Events.Event[][] made;
    /** When the first event of the run was read; zero before. */
    static final AtomicLong BEGAN = new AtomicLong();
    /** What the process had had of all CPUs by then. */
    static final AtomicLong CPU = new AtomicLong();
    /** How many checkpoints of the run are complete. */
    static final AtomicLong CHECKPOINTS = new AtomicLong();

    static void begin() {
        for (AtomicLong figure : List.of(BEGAN, CPU, CHECKPOINTS)) figure.set(0);
    }

    private static final int BATCH = 1024;

    private final long seed, rate, count;

    Replay(long seed, long rate, long count) {
        this.seed = seed;
        this.rate = rate;
        this.count = count;
    }

    /** Which one it is, and how many of its events have been read. */
    record Split(int number, long read) implements SourceSplit {
        @Override
        public String splitId() {
            return Integer.toString(number);
        }
    }

    record None() {}

    @Override
    public Boundedness getBoundedness() {
        return Boundedness.BOUNDED;
    }

    @Override
    public SourceReader<Events.Event, Split> createReader(SourceReaderContext context) {
        return new Reader(context.getIndexOfSubtask(), context.currentParallelism());
    }

    private final class Reader implements SourceReader<Events.Event, Split> {
        private final int number, splits;
        private final Events generator = new Events(seed, rate);
        private final Events.Event[] events;
        private long next;

        Reader(int number, int splits) {
            this.number = number;
            this.splits = splits;
            events = made == null ? null : made[number];
        }

        @Override
        public void start() {}

        @Override
        public InputStatus pollNext(ReaderOutput<Events.Event> out) {
            if (BEGAN.get() == 0 && BEGAN.compareAndSet(0, System.nanoTime())) CPU.set(NexmarkBench.cpuNanos());
            long length = (count - number + splits - 1) / splits, until = Math.min(length, next + BATCH);
            for (; next < until; next++) {
                Events.Event event =
                    events == null ? generator.event(number + next * splits) : events[(int) next];
                out.collect(event, event.at);
            }
            return next < length ? InputStatus.MORE_AVAILABLE : InputStatus.END_OF_INPUT;
        }

        @Override
        public List<Split> snapshotState(long checkpoint) {
            return List.of(new Split(number, next));
        }

        @Override
        public void notifyCheckpointComplete(long checkpoint) {
            if (number == 0) CHECKPOINTS.incrementAndGet();
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return CompletableFuture.completedFuture(null);
        }

        /** After a restart. Parallelism does not change, so a split comes back to where it was. */
        @Override
        public void addSplits(List<Split> splits) {
            for (Split split : splits) next = split.read;
        }

        @Override
        public void notifyNoMoreSplits() {}

        @Override
        public void close() {}
    }

    /** Nothing is to be dealt: a reader knows its split by its number. */
    @Override
    public SplitEnumerator<Split, None> createEnumerator(SplitEnumeratorContext<Split> context) {
        return new SplitEnumerator<>() {
            @Override
            public void start() {}

            @Override
            public void handleSplitRequest(int subtask, String host) {}

            @Override
            public void addSplitsBack(List<Split> splits, int subtask) {}

            @Override
            public void addReader(int subtask) {}

            @Override
            public None snapshotState(long checkpoint) {
                return new None();
            }

            @Override
            public void close() {}
        };
    }

    @Override
    public SplitEnumerator<Split, None> restoreEnumerator(SplitEnumeratorContext<Split> context, None none) {
        return createEnumerator(context);
    }

    @Override
    public SimpleVersionedSerializer<Split> getSplitSerializer() {
        return new SimpleVersionedSerializer<>() {
            @Override
            public int getVersion() {
                return 1;
            }

            @Override
            public byte[] serialize(Split split) {
                return ByteBuffer.allocate(12).putInt(split.number).putLong(split.read).array();
            }

            @Override
            public Split deserialize(int version, byte[] bytes) {
                ByteBuffer buffer = ByteBuffer.wrap(bytes);
                return new Split(buffer.getInt(), buffer.getLong());
            }
        };
    }

    @Override
    public SimpleVersionedSerializer<None> getEnumeratorCheckpointSerializer() {
        return new SimpleVersionedSerializer<>() {
            @Override
            public int getVersion() {
                return 1;
            }

            @Override
            public byte[] serialize(None none) {
                return new byte[0];
            }

            @Override
            public None deserialize(int version, byte[] bytes) {
                return new None();
            }
        };
    }
}
