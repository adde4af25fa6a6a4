import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeHint;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple6;
import org.apache.flink.api.java.typeutils.ListTypeInfo;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** q5 and q7: the most bids of ten seconds, the highest bid of ten seconds. */
final class HotItems {
    private static final long SIZE = 10_000, SLIDE = 2_000;

    private HotItems() {}

    // --- q5 ---

    record Q5(long auction, long num) implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"num\":" + num + "}";
        }
    }

    /** Counts by slide, of which five are put together behind: one update of state a bid. */
    static DataStream<Tally.Row> q5(DataStream<Events.Event> events) {
        return events.<Long>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(bid.auction);
        }).returns(Types.LONG)
            .keyBy(auction -> auction, Types.LONG)
            .process(new CountByWindow(SLIDE), CountByWindow.TYPE)
            .keyBy(slice -> 0, Types.INT)
            .process(new Hottest(), NexmarkBench.ROW).setParallelism(1);
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

    // --- q7 ---

    record Q7(High bid) implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + bid.f1 + ",\"price\":" + bid.f2 + ",\"bidder\":" + bid.f3 + ",\"dateTime\":" + bid.f4
                + ",\"extra\":\"" + bid.f5 + "\"}";
        }
    }

    /** The number of a window, and a bid that may be one of its highest: auction, price, bidder, time, extra. */
    public static final class High extends Tuple6<Long, Long, Long, Long, Long, String> {
        static final TypeInformation<High> TYPE = new TupleTypeInfo<>(
            High.class, Types.LONG, Types.LONG, Types.LONG, Types.LONG, Types.LONG, Types.STRING);

        public High() {}

        High(long window, Events.Bid bid) {
            super(window, bid.auction, bid.price, bid.bidder, bid.at, bid.extra);
        }

        /** To be kept: the next record may come in the same object. */
        High kept() {
            High kept = new High();
            kept.setFields(f0, f1, f2, f3, f4, f5);
            return kept;
        }
    }

    /** Most bids go no further than a comparison with the highest that this subtask has seen. */
    static DataStream<Tally.Row> q7(DataStream<Events.Event> events) {
        return events.flatMap(new Contenders()).returns(High.TYPE)
            .keyBy(high -> high.f0, Types.LONG)
            .process(new HighestBids(), NexmarkBench.ROW);
    }

    /** Lets those bids pass that may be among the highest. A restart forgets what was seen: more pass then. */
    private static final class Contenders extends RichFlatMapFunction<Events.Event, High> {
        /** Of the window before and this one, by whether their numbers are odd; no event is later than that. */
        private final long[] window = {-1, -1}, highest = new long[2];

        @Override
        public void flatMap(Events.Event event, Collector<High> out) {
            if (!(event instanceof Events.Bid bid)) return;
            long number = bid.at / SIZE;
            // The question has a bid at the very end of a window in both.
            if (bid.at % SIZE == 0) out.collect(new High(number - 1, bid));
            int place = (int) (number & 1);
            if (window[place] == number && bid.price < highest[place]) return;
            window[place] = number;
            highest[place] = bid.price;
            out.collect(new High(number, bid));
        }
    }

    public static final class Highest {
        /** Of the bids that are in the window; zero: there is none. */
        public long price;
        public List<High> bids = new ArrayList<>(), atTheEnd = new ArrayList<>(0);

        static final TypeInformation<Highest> TYPE = Types.POJO(Highest.class, Map.of(
            "price", Types.LONG, "bids", new ListTypeInfo<>(High.TYPE), "atTheEnd", new ListTypeInfo<>(High.TYPE)));
    }

    private static final class HighestBids extends KeyedProcessFunction<Long, High, Tally.Row> {
        private transient ValueState<Highest> windows;

        @Override
        public void open(OpenContext context) {
            windows = getRuntimeContext().getState(new ValueStateDescriptor<>("windows", Highest.TYPE));
        }

        @Override
        public void processElement(High bid, Context context, Collector<Tally.Row> out) throws Exception {
            Highest highest = windows.value();
            long end = (bid.f0 + 1) * SIZE;
            if (highest == null) {
                windows.update(highest = new Highest());
                // One millisecond late: those at the very end have come then.
                context.timerService().registerEventTimeTimer(end);
            }
            if (bid.f4 == end) {
                highest.atTheEnd.add(bid.kept());
                return;
            }
            if (bid.f2 < highest.price) return;
            if (bid.f2 > highest.price) highest.bids.clear();
            highest.price = bid.f2;
            highest.bids.add(bid.kept());
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Tally.Row> out) throws Exception {
            Highest highest = windows.value();
            for (High bid : highest.bids) out.collect(new Q7(bid));
            for (High bid : highest.atTheEnd) {
                if (bid.f2 == highest.price) out.collect(new Q7(bid));
            }
            windows.clear();
        }
    }
}
