import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Counts rows, and sums them up where answers are compared, as `tally.rs` does. What is counted becomes a part of the answer when
 * its checkpoint is complete, and without checkpoints at the end.
 */
final class Tally implements Sink<Tally.Row>, SupportsCommitter<Tally.Counted> {
    /** A row of an answer. */
    interface Row {
        /** As the other side writes it. */
        String json();

        /** The same without the columns that depend on the order of arrival; the others by their names. */
        default String jsonWithoutChance() {
            return json();
        }
    }

    /** What a writer counted between two checkpoints. */
    record Counted(long rows, long sum) {}

    /** Of the run that is on: what is committed, when the last row was written, and what the process had had of all CPUs. */
    static final AtomicLong ROWS = new AtomicLong(), SUM = new AtomicLong(), ENDED = new AtomicLong(),
        CPU = new AtomicLong();

    static void begin() {
        for (AtomicLong figure : List.of(ROWS, SUM, ENDED, CPU)) figure.set(0);
    }

    private final boolean sums, hasChance;

    Tally(boolean sums, boolean hasChance) {
        this.sums = sums;
        this.hasChance = hasChance;
    }

    @Override
    public CommittingSinkWriter<Row, Counted> createWriter(WriterInitContext context) {
        return new Writer(sums, hasChance);
    }

    private static final class Writer implements CommittingSinkWriter<Row, Counted> {
        private final boolean sums, hasChance;
        private long rows, sum;
        /** So that what is only counted must have been made. */
        private Row last;

        Writer(boolean sums, boolean hasChance) {
            this.sums = sums;
            this.hasChance = hasChance;
        }

        @Override
        public void write(Row row, Context context) {
            rows++;
            last = row;
            if (sums) sum += of(hasChance ? row.jsonWithoutChance() : row.json());
        }

        /** FNV-1a of the row as JSON, stirred. */
        private static long of(String json) {
            long hash = 0xcbf29ce484222325L;
            for (byte b : json.getBytes(StandardCharsets.UTF_8)) hash = (hash ^ (b & 0xff)) * 0x0100000001b3L;
            return (hash ^ (hash >>> 32)) * 0x9e3779b97f4a7c15L;
        }

        @Override
        public void flush(boolean endOfInput) {
            if (!endOfInput) return;
            ENDED.accumulateAndGet(System.nanoTime(), Math::max);
            CPU.accumulateAndGet(NexmarkBench.cpuNanos(), Math::max);
        }

        @Override
        public Collection<Counted> prepareCommit() {
            Counted counted = new Counted(rows, sum);
            rows = sum = 0;
            return List.of(counted);
        }

        @Override
        public void close() {}
    }

    @Override
    public Committer<Counted> createCommitter(CommitterInitContext context) {
        return new Committer<>() {
            @Override
            public void commit(Collection<CommitRequest<Counted>> requests) {
                for (CommitRequest<Counted> request : requests) {
                    ROWS.addAndGet(request.getCommittable().rows);
                    SUM.addAndGet(request.getCommittable().sum);
                }
            }

            @Override
            public void close() {}
        };
    }

    @Override
    public SimpleVersionedSerializer<Counted> getCommittableSerializer() {
        return new SimpleVersionedSerializer<>() {
            @Override
            public int getVersion() {
                return 1;
            }

            @Override
            public byte[] serialize(Counted counted) {
                return ByteBuffer.allocate(16).putLong(counted.rows).putLong(counted.sum).array();
            }

            @Override
            public Counted deserialize(int version, byte[] bytes) throws IOException {
                ByteBuffer buffer = ByteBuffer.wrap(bytes);
                return new Counted(buffer.getLong(), buffer.getLong());
            }
        };
    }
}
