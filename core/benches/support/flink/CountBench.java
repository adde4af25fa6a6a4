import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Scanner;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * A running count by key on Flink's DataStream API: on the heap, or, with a value that every key carries, on RocksDB with
 * incremental checkpoints. Every key comes once, and then the updates that are timed. Answers each line of its input with one of JSON;
 * submitted to a cluster, counts once.
 */
public final class CountBench {
    /** As the command line has it, in this order. No bytes: a count on the heap, without checkpoints. */
    private record Args(int parallelism, long keys, long updates, boolean zipf, int valueBytes, String memoryBytes,
        long checkpointMillis, String directory, boolean onCluster) implements java.io.Serializable {
        static Args of(String[] words) {
            return new Args(Integer.parseInt(words[0]), Long.parseLong(words[1]), Long.parseLong(words[2]),
                words[3].equals("zipf"), Integer.parseInt(words[4]), words[5], Long.parseLong(words[6]), words[7],
                words.length > 8 && words[8].equals("cluster"));
        }
    }

    /** Of the run that is on: when the first update was read and the last counted, and what was emitted. */
    private static final AtomicLong BEGAN = new AtomicLong(), ENDED = new AtomicLong(), SUM = new AtomicLong();
    /** The keys of a split, made before: memory for a count on the heap. Null: they are made as they are read. */
    private static long[][] made;

    public static void main(String[] words) throws Exception {
        Args args = Args.of(words);
        if (args.onCluster) {
            run(args);
            return;
        }
        if (args.valueBytes == 0) made = make(args);
        for (Scanner in = new Scanner(System.in); in.hasNextLine(); in.nextLine()) System.out.println(run(args));
    }

    /** The finaliser of SplitMix64, as in `updates.rs`. */
    private static long scatter(long number) {
        long mixed = number + 0x9e3779b97f4a7c15L;
        mixed = (mixed ^ (mixed >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }

    /** Every key once, and then as its distribution says: a function of its number. */
    private static long key(Args args, long number) {
        if (number < args.keys) return number;
        // A plain count of `running_count` numbers its updates from behind the keys, others from zero.
        long random = scatter(args.valueBytes == 0 && !args.onCluster ? number : number - args.keys);
        if (!args.zipf) return Math.multiplyHigh(random, args.keys) + (random >> 63 & args.keys);
        double uniform = (random >>> 11) / (double) (1L << 53);
        return Long.remainderUnsigned(scatter((long) Math.pow(args.keys, uniform) - 1), args.keys);
    }

    private static long[][] make(Args args) {
        long[][] keys = new long[args.parallelism][];
        for (int split = 0; split < keys.length; split++) {
            keys[split] = new long[(int) length(args, split)];
            for (int i = 0; i < keys[split].length; i++) keys[split][i] = key(args, split + (long) i * keys.length);
        }
        return keys;
    }

    private static long length(Args args, int split) {
        return (args.keys + args.updates - split + args.parallelism - 1) / args.parallelism;
    }

    private static String run(Args args) throws Exception {
        for (AtomicLong figure : List.of(BEGAN, ENDED, SUM)) figure.set(0);
        Configuration configuration = new Configuration();
        if (args.valueBytes > 0) {
            configuration.set(StateBackendOptions.STATE_BACKEND, "rocksdb");
            configuration.setString("state.backend.rocksdb.localdir", args.directory + "/rocksdb");
            configuration.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.parse(args.memoryBytes + "b"));
        }
        if (args.checkpointMillis > 0) {
            configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(args.checkpointMillis));
            configuration.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
            configuration.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
            configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
            configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + args.directory + "/checkpoints");
        }
        StreamExecutionEnvironment environment = args.onCluster
            ? StreamExecutionEnvironment.getExecutionEnvironment(configuration)
            : StreamExecutionEnvironment.createLocalEnvironment(args.parallelism, configuration);
        environment.setParallelism(args.parallelism);
        environment.getConfig().enableObjectReuse();
        environment.fromSource(new Keys(args), WatermarkStrategy.noWatermarks(), "keys", Types.LONG)
            .keyBy(key -> key, Types.LONG)
            .process(args.valueBytes > 0 ? new CountWithValue(args.valueBytes) : new Count(), Types.LONG)
            .sinkTo(new Sum(args));
        environment.execute("count");
        return String.format(java.util.Locale.ROOT, "{\"seconds\":%f,\"sum\":%d}",
            (ENDED.get() - BEGAN.get()) / 1e9, SUM.get());
    }

    private static final class Count extends KeyedProcessFunction<Long, Long, Long> {
        /** One number. On the heap the value is the object itself, so a count takes one probe. */
        private transient ValueState<long[]> counts;

        @Override
        public void open(OpenContext context) {
            counts = getRuntimeContext().getState(new ValueStateDescriptor<>(
                "counts", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
        }

        @Override
        public void processElement(Long key, Context context, Collector<Long> out) throws Exception {
            long[] count = counts.value();
            if (count == null) counts.update(count = new long[1]);
            out.collect(++count[0]);
        }
    }

    private static final class CountWithValue extends KeyedProcessFunction<Long, Long, Long> {
        private final int valueBytes;
        private transient ValueState<Tuple2<Long, byte[]>> rows;

        CountWithValue(int valueBytes) {
            this.valueBytes = valueBytes;
        }

        @Override
        public void open(OpenContext context) {
            TypeInformation<Tuple2<Long, byte[]>> row =
                Types.TUPLE(Types.LONG, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
            rows = getRuntimeContext().getState(new ValueStateDescriptor<>("rows", row));
        }

        @Override
        public void processElement(Long key, Context context, Collector<Long> out) throws Exception {
            Tuple2<Long, byte[]> row = rows.value();
            if (row == null) {
                row = Tuple2.of(0L, new byte[valueBytes]);
                for (int place = 0; place < valueBytes; place++) row.f1[place] = (byte) scatter(key ^ place);
            }
            row.f0++;
            row.f1[0] = (byte) (long) row.f0;
            rows.update(row);
            out.collect(row.f0);
        }
    }

    /** Sums up what comes, and notes when the last did. On a cluster, in a file. */
    private static final class Sum implements Sink<Long> {
        private final Args args;

        Sum(Args args) {
            this.args = args;
        }

        @Override
        public SinkWriter<Long> createWriter(WriterInitContext context) {
            return new SinkWriter<>() {
                private long sum;

                @Override
                public void write(Long count, Context context) {
                    sum += count;
                }

                @Override
                public void flush(boolean endOfInput) throws java.io.IOException {
                    if (!endOfInput) return;
                    if (args.onCluster) {
                        Files.writeString(Path.of(args.directory, "sum-" + UUID.randomUUID()), Long.toString(sum));
                    }
                    ENDED.accumulateAndGet(System.nanoTime(), Math::max);
                    SUM.addAndGet(sum);
                }

                @Override
                public void close() {}
            };
        }
    }

    /** How many keys of a split have been read. */
    private record Split(int number, long read) implements SourceSplit {
        @Override
        public String splitId() {
            return Integer.toString(number);
        }
    }

    /** The keys; a split for each subtask. */
    private record Keys(Args args) implements Source<Long, Split, Long> {
        @Override
        public Boundedness getBoundedness() {
            return Boundedness.BOUNDED;
        }

        @Override
        public SourceReader<Long, Split> createReader(SourceReaderContext context) {
            return new Reader(args, context.getIndexOfSubtask());
        }

        /** Nothing is to be dealt: a reader knows its split by its number. */
        @Override
        public SplitEnumerator<Split, Long> createEnumerator(SplitEnumeratorContext<Split> context) {
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
                public Long snapshotState(long checkpoint) {
                    return 0L;
                }

                @Override
                public void close() {}
            };
        }

        @Override
        public SplitEnumerator<Split, Long> restoreEnumerator(SplitEnumeratorContext<Split> context, Long none) {
            return createEnumerator(context);
        }

        @Override
        public SimpleVersionedSerializer<Split> getSplitSerializer() {
            return new Numbers<>(split -> new long[] {split.number, split.read}, n -> new Split((int) n[0], n[1]));
        }

        @Override
        public SimpleVersionedSerializer<Long> getEnumeratorCheckpointSerializer() {
            return new Numbers<>(none -> new long[2], n -> n[0]);
        }
    }

    /** Of what is two numbers. */
    private record Numbers<T>(java.util.function.Function<T, long[]> take, java.util.function.Function<long[], T> make)
        implements SimpleVersionedSerializer<T> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(T value) {
            long[] numbers = take.apply(value);
            return ByteBuffer.allocate(16).putLong(numbers[0]).putLong(numbers[1]).array();
        }

        @Override
        public T deserialize(int version, byte[] bytes) {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            return make.apply(new long[] {buffer.getLong(), buffer.getLong()});
        }
    }

    private static final class Reader implements SourceReader<Long, Split> {
        private static final int BATCH = 1024;

        private final Args args;
        private final int number;
        private long next;

        Reader(Args args, int number) {
            this.args = args;
            this.number = number;
        }

        @Override
        public void start() {}

        @Override
        public InputStatus pollNext(ReaderOutput<Long> out) {
            if (next >= args.keys / args.parallelism) BEGAN.compareAndSet(0, System.nanoTime());
            long length = length(args, number), until = Math.min(length, next + BATCH);
            for (; next < until; next++) {
                out.collect(made == null ? key(args, number + next * args.parallelism) : made[number][(int) next]);
            }
            return next < length ? InputStatus.MORE_AVAILABLE : InputStatus.END_OF_INPUT;
        }

        @Override
        public List<Split> snapshotState(long checkpoint) {
            return List.of(new Split(number, next));
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
}
