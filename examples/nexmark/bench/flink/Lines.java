import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** Writes rows as lines of JSON, a file for each subtask: where nobody in this JVM could ask for a sum. Not with failures. */
final class Lines implements Sink<Tally.Row> {
    private final String directory;

    Lines(Path directory) {
        this.directory = directory.toString();
    }

    @Override
    public SinkWriter<Tally.Row> createWriter(WriterInitContext context) throws IOException {
        BufferedWriter file = Files.newBufferedWriter(Path.of(directory, "rows-" + UUID.randomUUID() + ".jsonl"));
        return new SinkWriter<>() {
            @Override
            public void write(Tally.Row row, Context context) throws IOException {
                file.append(row.json()).append('\n');
            }

            @Override
            public void flush(boolean endOfInput) throws IOException {
                file.flush();
            }

            @Override
            public void close() throws IOException {
                file.close();
            }
        };
    }
}
