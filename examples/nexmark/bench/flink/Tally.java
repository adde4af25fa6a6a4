import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** Counts rows, and sums them up where answers are compared, as `tally.rs` does. */
final class Tally implements Sink<Tally.Row> {
    /** A row of an answer. */
    interface Row {
        /** As the other side writes it. */
        String json();
    }

    /** Of the run that is on. */
    static final AtomicLong ROWS = new AtomicLong(), SUM = new AtomicLong();

    private final boolean sums;

    Tally(boolean sums) {
        this.sums = sums;
    }

    @Override
    public SinkWriter<Row> createWriter(WriterInitContext context) {
        return new Writer(sums);
    }

    private static final class Writer implements SinkWriter<Row> {
        private final boolean sums;
        private long rows, sum;
        /** So that what is only counted must have been made. */
        private Row last;

        Writer(boolean sums) {
            this.sums = sums;
        }

        @Override
        public void write(Row row, Context context) {
            rows++;
            last = row;
            if (sums) sum += of(row.json());
        }

        /** FNV-1a of the row as JSON, stirred. */
        private static long of(String json) {
            long hash = 0xcbf29ce484222325L;
            for (byte b : json.getBytes(StandardCharsets.UTF_8)) hash = (hash ^ (b & 0xff)) * 0x0100000001b3L;
            return (hash ^ (hash >>> 32)) * 0x9e3779b97f4a7c15L;
        }

        @Override
        public void flush(boolean endOfInput) {
            ROWS.addAndGet(rows);
            SUM.addAndGet(sum);
            rows = sum = 0;
        }

        @Override
        public void close() {
            flush(true);
        }
    }
}
