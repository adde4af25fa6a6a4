import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * Queries of Nexmark on Flink's DataStream API, written to be fast: object reuse, state on the heap, only the columns that
 * a query needs are shuffled, by serializers of tuples, and process functions where they beat the ready-made windows.
 *
 * <p>Started once for a query and a parallelism. Reads words from the standard input, and answers each with a line of JSON:
 * `sum` runs once with its rows summed up, `count` runs once and counts them. So a JVM stays warm between two runs.
 */
public final class NexmarkBench {
    public static void main(String[] words) throws Exception {
        String query = words[0];
        int parallelism = Integer.parseInt(words[1]);
        long count = Long.parseLong(words[2]), rate = Long.parseLong(words[3]), seed = Long.parseLong(words[4]);
        boolean before = words[5].equals("before");
        if (before) Replay.made = make(parallelism, count, rate, seed);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String word = in.readLine(); word != null; word = in.readLine()) {
            System.out.println(run(query, parallelism, new Replay(seed, rate, count), word.equals("sum")));
        }
    }

    private static Events.Event[][] make(int splits, long count, long rate, long seed) {
        Events generator = new Events(seed, rate);
        Events.Event[][] made = new Events.Event[splits][];
        for (int split = 0; split < splits; split++) {
            made[split] = new Events.Event[(int) ((count - split + splits - 1) / splits)];
            for (int i = 0; i < made[split].length; i++) made[split][i] = generator.event(split + (long) i * splits);
        }
        return made;
    }

    private static String run(String query, int parallelism, Replay events, boolean sums) throws Exception {
        StreamExecutionEnvironment env =
            StreamExecutionEnvironment.createLocalEnvironment(parallelism, new Configuration());
        env.getConfig().enableObjectReuse();
        Tally.ROWS.set(0);
        Tally.SUM.set(0);
        Replay.BEGAN.set(0);
        WatermarkStrategy<Events.Event> watermarks =
            WatermarkStrategy.forBoundedOutOfOrderness(Duration.ofSeconds(4));
        DataStream<Events.Event> source =
            env.fromSource(events, watermarks, "events", TypeInformation.of(Events.Event.class));
        wire(query, source).sinkTo(new Tally(sums));
        env.execute(query);
        double seconds = (System.nanoTime() - Replay.BEGAN.get()) / 1e9;
        double cpuSeconds = (cpuNanos() - Replay.CPU.get()) / 1e9;
        return String.format(java.util.Locale.ROOT,
            "{\"seconds\":%f,\"cpu_seconds\":%f,\"peak_rss_mb\":%s,\"total\":{\"rows\":%d,\"sum\":%s},\"snapshots\":0}",
            seconds, cpuSeconds, peakRss(), Tally.ROWS.get(), Long.toUnsignedString(Tally.SUM.get()));
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
            case "q0" -> bids(events, (bid, out) -> out.collect(
                new Q0(bid.auction, bid.bidder, bid.price, bid.at, bid.extra)));
            case "q1" -> bids(events, (bid, out) -> out.collect(
                new Q1(bid.auction, bid.bidder, bid.price * 908, bid.at, bid.extra)));
            case "q2" -> bids(events, (bid, out) -> {
                if (bid.auction % 123 == 0) out.collect(new Q2(bid.auction, bid.price));
            });
            case "q3" -> q3(events);
            case "q5" -> q5(events);
            case "q8" -> q8(events);
            case "q11" -> q11(events);
            default -> throw new IllegalArgumentException("there is no " + query);
        };
    }

    private static final TypeInformation<Tally.Row> ROW = TypeInformation.of(Tally.Row.class);
    private static final TypeInformation<Tuple2<Long, Long>> PAIR = Types.TUPLE(Types.LONG, Types.LONG);

    interface EachBid extends java.io.Serializable {
        void take(Events.Bid bid, Collector<Tally.Row> out);
    }

    private static DataStream<Tally.Row> bids(DataStream<Events.Event> events, EachBid each) {
        return events.<Tally.Row>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) each.take(bid, out);
        }).returns(ROW);
    }

    private static String bid(long auction, long bidder, String price, long at, String extra) {
        return "{\"auction\":" + auction + ",\"bidder\":" + bidder + ",\"price\":" + price + ",\"dateTime\":" + at
            + ",\"extra\":\"" + extra + "\"}";
    }

    record Q0(long auction, long bidder, long price, long at, String extra) implements Tally.Row {
        @Override
        public String json() {
            return bid(auction, bidder, Long.toString(price), at, extra);
        }
    }

    /** The price in thousandths of euros, exact. */
    record Q1(long auction, long bidder, long price, long at, String extra) implements Tally.Row {
        @Override
        public String json() {
            return bid(auction, bidder, String.format("\"%d.%03d\"", price / 1000, price % 1000), at, extra);
        }
    }

    record Q2(long auction, long price) implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"price\":" + price + "}";
        }
    }

    // --- q3 ---

    record Q3(String name, String city, String state, long id) implements Tally.Row {
        @Override
        public String json() {
            return "{\"name\":\"" + name + "\",\"city\":\"" + city + "\",\"state\":\"" + state + "\",\"id\":" + id + "}";
        }
    }

    private static final TypeInformation<Tuple4<Long, String, String, String>> SELLER =
        Types.TUPLE(Types.LONG, Types.STRING, Types.STRING, Types.STRING);

    private static DataStream<Tally.Row> q3(DataStream<Events.Event> events) {
        var sellers = events.<Tuple4<Long, String, String, String>>flatMap((event, out) -> {
            if (event instanceof Events.Person p
                && (p.state.equals("OR") || p.state.equals("ID") || p.state.equals("CA"))) {
                out.collect(Tuple4.of(p.id, p.name, p.city, p.state));
            }
        }).returns(SELLER);
        var auctions = events.<Tuple2<Long, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Auction a && a.category == 10) out.collect(Tuple2.of(a.seller, a.id));
        }).returns(PAIR);
        return sellers.keyBy(seller -> seller.f0, Types.LONG)
            .connect(auctions.keyBy(auction -> auction.f0, Types.LONG))
            .process(new JoinSellers(), ROW);
    }

    private static final class JoinSellers
        extends KeyedCoProcessFunction<Long, Tuple4<Long, String, String, String>, Tuple2<Long, Long>, Tally.Row> {
        private transient ListState<Tuple4<Long, String, String, String>> sellers;
        private transient ListState<Long> auctions;

        @Override
        public void open(OpenContext context) {
            sellers = getRuntimeContext().getListState(new ListStateDescriptor<>("sellers", SELLER));
            auctions = getRuntimeContext().getListState(new ListStateDescriptor<>("auctions", Types.LONG));
        }

        private static Tally.Row row(Tuple4<Long, String, String, String> seller, long id) {
            return new Q3(seller.f1, seller.f2, seller.f3, id);
        }

        @Override
        public void processElement1(
            Tuple4<Long, String, String, String> seller, Context context, Collector<Tally.Row> out) throws Exception {
            for (long id : auctions.get()) out.collect(row(seller, id));
            // The next record may come in the same object.
            sellers.add(seller.copy());
        }

        @Override
        public void processElement2(Tuple2<Long, Long> auction, Context context, Collector<Tally.Row> out)
            throws Exception {
            for (var seller : sellers.get()) out.collect(row(seller, auction.f1));
            auctions.add(auction.f1);
        }
    }

    // --- q5 ---

    record Q5(long auction, long num) implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"num\":" + num + "}";
        }
    }

    private static final long SIZE = 10_000, SLIDE = 2_000;
    private static final TypeInformation<Tuple3<Long, Long, Long>> SLICE =
        Types.TUPLE(Types.LONG, Types.LONG, Types.LONG);

    /** Counts by slide, of which five are put together behind: one update of state a bid. */
    private static DataStream<Tally.Row> q5(DataStream<Events.Event> events) {
        DataStream<Long> auctions = events.<Long>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(bid.auction);
        }).returns(Types.LONG);
        DataStream<Tuple3<Long, Long, Long>> slices = auctions.keyBy(auction -> auction, Types.LONG)
            .window(TumblingEventTimeWindows.of(Duration.ofMillis(SLIDE)))
            .aggregate(new Count(), new ProcessWindowFunction<Long, Tuple3<Long, Long, Long>, Long, TimeWindow>() {
                @Override
                public void process(
                    Long auction, Context context, Iterable<Long> counts, Collector<Tuple3<Long, Long, Long>> out) {
                    out.collect(Tuple3.of(context.window().getStart(), auction, counts.iterator().next()));
                }
            }, Types.LONG, Types.LONG, SLICE);
        return slices.keyBy(slice -> 0, Types.INT).process(new Hottest(), ROW).setParallelism(1);
    }

    private static final class Count implements AggregateFunction<Long, Long, Long> {
        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Long auction, Long count) {
            return count + 1;
        }

        @Override
        public Long getResult(Long count) {
            return count;
        }

        @Override
        public Long merge(Long count, Long other) {
            return count + other;
        }
    }

    private static final class Hottest extends KeyedProcessFunction<Integer, Tuple3<Long, Long, Long>, Tally.Row> {
        private transient MapState<Long, HashMap<Long, Long>> slides;

        @Override
        public void open(OpenContext context) {
            var map = TypeInformation.of(new TypeHint<HashMap<Long, Long>>() {});
            slides = getRuntimeContext().getMapState(new MapStateDescriptor<>("slides", Types.LONG, map));
        }

        @Override
        public void processElement(Tuple3<Long, Long, Long> slice, Context context, Collector<Tally.Row> out)
            throws Exception {
            HashMap<Long, Long> slide = slides.get(slice.f0);
            if (slide == null) {
                slide = new HashMap<>();
                for (long end = slice.f0 + SLIDE; end <= slice.f0 + SIZE; end += SLIDE) {
                    context.timerService().registerEventTimeTimer(end - 1);
                }
            }
            slide.merge(slice.f1, slice.f2, Long::sum);
            slides.put(slice.f0, slide);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Tally.Row> out) throws Exception {
            long end = at + 1, most = 0;
            HashMap<Long, Long> counts = new HashMap<>();
            for (long start = end - SIZE; start < end; start += SLIDE) {
                HashMap<Long, Long> slide = slides.get(start);
                if (slide != null) slide.forEach((auction, count) -> counts.merge(auction, count, Long::sum));
            }
            slides.remove(end - SIZE);
            for (long count : counts.values()) most = Math.max(most, count);
            for (Map.Entry<Long, Long> count : counts.entrySet()) {
                if (count.getValue() == most) out.collect(new Q5(count.getKey(), most));
            }
        }
    }

    // --- q8 ---

    record Q8(long id, String name, long starttime) implements Tally.Row {
        @Override
        public String json() {
            return "{\"id\":" + id + ",\"name\":\"" + name + "\",\"starttime\":" + starttime + "}";
        }
    }

    private static final TypeInformation<Tuple3<Long, String, Long>> JOINED =
        Types.TUPLE(Types.LONG, Types.STRING, Types.LONG);

    private static DataStream<Tally.Row> q8(DataStream<Events.Event> events) {
        var people = events.<Tuple3<Long, String, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Person p) out.collect(Tuple3.of(p.id, p.name, p.at / SIZE * SIZE));
        }).returns(JOINED);
        var auctions = events.<Tuple2<Long, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Auction a) out.collect(Tuple2.of(a.seller, a.at / SIZE * SIZE));
        }).returns(PAIR);
        return people.keyBy(person -> person.f0, Types.LONG)
            .connect(auctions.keyBy(auction -> auction.f0, Types.LONG))
            .process(new NewSellers(), ROW);
    }

    /** A row as soon as both are there; the first person of a window counts. */
    private static final class NewSellers
        extends KeyedCoProcessFunction<Long, Tuple3<Long, String, Long>, Tuple2<Long, Long>, Tally.Row> {
        private transient MapState<Long, String> joined;
        private transient MapState<Long, Boolean> sold;

        @Override
        public void open(OpenContext context) {
            joined =
                getRuntimeContext().getMapState(new MapStateDescriptor<>("joined", Types.LONG, Types.STRING));
            sold = getRuntimeContext().getMapState(new MapStateDescriptor<>("sold", Types.LONG, Types.BOOLEAN));
        }

        @Override
        public void processElement1(Tuple3<Long, String, Long> person, Context context, Collector<Tally.Row> out)
            throws Exception {
            if (joined.contains(person.f2)) return;
            joined.put(person.f2, person.f1);
            context.timerService().registerEventTimeTimer(person.f2 + SIZE - 1);
            if (sold.contains(person.f2)) out.collect(new Q8(person.f0, person.f1, person.f2));
        }

        @Override
        public void processElement2(Tuple2<Long, Long> auction, Context context, Collector<Tally.Row> out)
            throws Exception {
            if (sold.contains(auction.f1)) return;
            sold.put(auction.f1, true);
            context.timerService().registerEventTimeTimer(auction.f1 + SIZE - 1);
            String name = joined.get(auction.f1);
            if (name != null) out.collect(new Q8(auction.f0, name, auction.f1));
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Tally.Row> out) throws Exception {
            joined.remove(at + 1 - SIZE);
            sold.remove(at + 1 - SIZE);
        }
    }

    // --- q11 ---

    record Q11(long bidder, long count, long start, long end) implements Tally.Row {
        @Override
        public String json() {
            return "{\"bidder\":" + bidder + ",\"bid_count\":" + count + ",\"starttime\":" + start + ",\"endtime\":" + end
                + "}";
        }
    }

    private static DataStream<Tally.Row> q11(DataStream<Events.Event> events) {
        DataStream<Long> bidders = events.<Long>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(bid.bidder);
        }).returns(Types.LONG);
        return bidders.keyBy(bidder -> bidder, Types.LONG).process(new Sessions(), ROW);
    }

    /** Open sessions of a bidder: start, end and count of each, one behind the other. There is nearly always one. */
    private static final class Sessions extends KeyedProcessFunction<Long, Long, Tally.Row> {
        private transient ValueState<long[]> sessions;

        @Override
        public void open(OpenContext context) {
            sessions = getRuntimeContext().getState(new ValueStateDescriptor<>(
                "sessions", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
        }

        @Override
        public void processElement(Long bidder, Context context, Collector<Tally.Row> out) throws Exception {
            long start = context.timestamp(), end = start + SIZE, count = 1;
            long[] open = sessions.value();
            if (open == null) {
                sessions.update(new long[] {start, end, count});
                context.timerService().registerEventTimeTimer(end - 1);
                return;
            }
            if (open.length == 3 && open[0] <= end && start <= open[1]) {
                // On the heap the value is the object itself.
                open[0] = Math.min(open[0], start);
                open[1] = Math.max(open[1], end);
                open[2]++;
                return;
            }
            long[] merged = new long[open.length + 3];
            int length = 0;
            for (int i = 0; i < open.length; i += 3) {
                if (open[i] <= end && start <= open[i + 1]) {
                    start = Math.min(start, open[i]);
                    end = Math.max(end, open[i + 1]);
                    count += open[i + 2];
                } else {
                    System.arraycopy(open, i, merged, length, 3);
                    length += 3;
                }
            }
            merged[length++] = start;
            merged[length++] = end;
            merged[length++] = count;
            sessions.update(java.util.Arrays.copyOf(merged, length));
            context.timerService().registerEventTimeTimer(end - 1);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Tally.Row> out) throws Exception {
            long[] open = sessions.value();
            if (open == null) return;
            long[] left = new long[open.length];
            int length = 0;
            for (int i = 0; i < open.length; i += 3) {
                if (open[i + 1] - 1 <= at) {
                    out.collect(new Q11(context.getCurrentKey(), open[i + 2], open[i], open[i + 1]));
                } else {
                    System.arraycopy(open, i, left, length, 3);
                    length += 3;
                    context.timerService().registerEventTimeTimer(open[i + 1] - 1);
                }
            }
            if (length == 0) sessions.clear();
            else sessions.update(java.util.Arrays.copyOf(left, length));
        }
    }
}
