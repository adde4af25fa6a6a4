import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Queries of Nexmark on Flink's DataStream API, written to be fast: object reuse, state on the heap, only the columns that
 * a query needs are shuffled, by serializers of tuples, and process functions where they beat the ready-made windows.
 *
 * <p>Started once for a query and a parallelism. Reads words from the standard input, and answers each with a line of JSON:
 * `sum` runs once with its rows summed up, `count` runs once and counts them. So a JVM stays warm between two runs.
 */
public final class NexmarkBench {
    static final TypeInformation<Tally.Row> ROW = TypeInformation.of(Tally.Row.class);
    static final TypeInformation<Tuple2<Long, Long>> PAIR = Types.TUPLE(Types.LONG, Types.LONG);

    /**
     * As the command line has it, in this order; checkpoints every zero milliseconds are none. On a cluster there is a directory for
     * the rows behind them.
     */
    private record Args(String query, int parallelism, long count, long rate, long seed, boolean before,
        long checkpointMillis, Path checkpoints, Path rows) {
        static Args of(String[] words) {
            return new Args(words[0], Integer.parseInt(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]),
                Long.parseLong(words[4]), words[5].equals("before"), Long.parseLong(words[6]), Path.of(words[7]),
                words.length > 8 ? Path.of(words[8]) : null);
        }
    }

    public static void main(String[] words) throws Exception {
        Args args = Args.of(words);
        if (args.rows != null) {
            submit(args);
            return;
        }
        if (args.before) Replay.made = make(args);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String word = in.readLine(); word != null; word = in.readLine()) {
            System.out.println(run(args, word.equals("sum")));
        }
    }

    private static Events.Event[][] make(Args args) {
        Events generator = new Events(args.seed, args.rate);
        int splits = args.parallelism;
        Events.Event[][] made = new Events.Event[splits][];
        for (int split = 0; split < splits; split++) {
            made[split] = new Events.Event[(int) ((args.count - split + splits - 1) / splits)];
            for (int i = 0; i < made[split].length; i++) made[split][i] = generator.event(split + (long) i * splits);
        }
        return made;
    }

    private static StreamExecutionEnvironment environment(Args args) {
        Configuration configuration = new Configuration();
        if (args.checkpointMillis > 0) {
            configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(args.checkpointMillis));
            configuration.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
            configuration.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
            configuration.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, args.checkpoints.toUri().toString());
        }
        StreamExecutionEnvironment environment = args.rows == null
            ? StreamExecutionEnvironment.createLocalEnvironment(args.parallelism, configuration)
            : StreamExecutionEnvironment.getExecutionEnvironment(configuration);
        environment.getConfig().enableObjectReuse();
        return environment;
    }

    private static String run(Args args, boolean sums) throws Exception {
        StreamExecutionEnvironment environment = environment(args);
        Tally.begin();
        Replay.begin();
        rows(args, environment).sinkTo(new Tally(sums, args.parallelism > 1));
        environment.execute(args.query);
        // To the last row: the end of a job of Flink's, which waits for one more checkpoint, is not counted against it.
        return String.format(java.util.Locale.ROOT,
            "{\"seconds\":%f,\"cpu_seconds\":%f,\"peak_rss_mb\":%s,\"total\":{\"rows\":%d,\"sum\":%s},\"snapshots\":%d}",
            (Tally.ENDED.get() - Replay.BEGAN.get()) / 1e9, (Tally.CPU.get() - Replay.CPU.get()) / 1e9, peakRss(),
            Tally.ROWS.get(), Long.toUnsignedString(Tally.SUM.get()), Replay.CHECKPOINTS.get());
    }

    /** To the cluster that has been told of, whose events are made as they are read. */
    private static void submit(Args args) throws Exception {
        StreamExecutionEnvironment environment = environment(args);
        environment.setParallelism(args.parallelism);
        rows(args, environment).sinkTo(new Lines(args.rows));
        environment.execute(args.query);
    }

    private static DataStream<Tally.Row> rows(Args args, StreamExecutionEnvironment environment) {
        WatermarkStrategy<Events.Event> watermarks =
            WatermarkStrategy.forBoundedOutOfOrderness(Duration.ofSeconds(4));
        return wire(args.query, environment.fromSource(new Replay(args.seed, args.rate, args.count),
            watermarks, "events", TypeInformation.of(Events.Event.class)));
    }

    static long cpuNanos() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime();
    }

    private static String peakRss() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Double.toString(Long.parseLong(line.replaceAll("\\D", "")) * 1024 / 1e6);
            }
        }
        return "null";
    }

    private static DataStream<Tally.Row> wire(String query, DataStream<Events.Event> events) {
        return switch (query) {
            case "q0" -> Bids.q0(events);
            case "q1" -> Bids.q1(events);
            case "q2" -> Bids.q2(events);
            case "q3" -> Joins.q3(events);
            case "q4" -> Auctions.q4(events);
            case "q5" -> HotItems.q5(events);
            case "q7" -> HotItems.q7(events);
            case "q8" -> Joins.q8(events);
            case "q9" -> Auctions.q9(events);
            case "q11" -> Bidders.q11(events);
            case "q12" -> Bidders.q12(events);
            case "q14" -> Bids.q14(events);
            case "q15" -> Statistics.q15(events);
            case "q16" -> Statistics.q16(events);
            case "q17" -> Statistics.q17(events);
            case "q18" -> Auctions.q18(events);
            case "q19" -> Auctions.q19(events);
            case "q20" -> Joins.q20(events);
            case "q21" -> Bids.q21(events);
            case "q22" -> Bids.q22(events);
            default -> throw new IllegalArgumentException("there is no " + query);
        };
    }
}
