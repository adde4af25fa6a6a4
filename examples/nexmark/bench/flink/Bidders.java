import java.util.Arrays;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** q11 and q12: bids by session, and by ten seconds. */
final class Bidders {
    private static final long SIZE = 10_000;

    private Bidders() {}

    /** One record for both: a session and a window have a count, a start and an end. */
    record Counted(long bidder, long count, long start, long end) implements Tally.Row {
        @Override
        public String json() {
            return "{\"bidder\":" + bidder + ",\"bid_count\":" + count + ",\"starttime\":" + start + ",\"endtime\":" + end
                + "}";
        }
    }

    private static KeyedStream<Long, Long> bidders(DataStream<Events.Event> events) {
        return events.<Long>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(bid.bidder);
        }).returns(Types.LONG).keyBy(bidder -> bidder, Types.LONG);
    }

    static DataStream<Tally.Row> q11(DataStream<Events.Event> events) {
        return bidders(events).process(new Sessions(), NexmarkBench.ROW);
    }

    static DataStream<Tally.Row> q12(DataStream<Events.Event> events) {
        return bidders(events).process(new CountByWindow(SIZE), CountByWindow.TYPE)
            .<Tally.Row>map(window -> new Counted(window.f1, window.f2, window.f0, window.f0 + SIZE))
            .returns(NexmarkBench.ROW);
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
            sessions.update(Arrays.copyOf(merged, length));
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
                    out.collect(new Counted(context.getCurrentKey(), open[i + 2], open[i], open[i + 1]));
                } else {
                    System.arraycopy(open, i, left, length, 3);
                    length += 3;
                    context.timerService().registerEventTimeTimer(open[i + 1] - 1);
                }
            }
            if (length == 0) sessions.clear();
            else sessions.update(Arrays.copyOf(left, length));
        }
    }
}
