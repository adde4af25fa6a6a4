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

    private static final int BATCH = 1024;

    private final long seed, rate, count;

    Replay(long seed, long rate, long count) {
        this.seed = seed;
        this.rate = rate;
        this.count = count;
    }

    record Split(int number, int splits) implements SourceSplit {
        @Override
        public String splitId() {
            return number + " of " + splits;
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
            return List.of();
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return CompletableFuture.completedFuture(null);
        }

        @Override
        public void addSplits(List<Split> splits) {}

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
        return new Empty<>(new Split(0, 1));
    }

    @Override
    public SimpleVersionedSerializer<None> getEnumeratorCheckpointSerializer() {
        return new Empty<>(new None());
    }

    /** Of what says nothing. */
    private record Empty<T>(T value) implements SimpleVersionedSerializer<T> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(T value) {
            return new byte[0];
        }

        @Override
        public T deserialize(int version, byte[] bytes) {
            return value;
        }
    }
}
