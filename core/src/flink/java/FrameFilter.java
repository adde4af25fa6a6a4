package io.tidegate.flink;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFilterFunction;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.runtime.metrics.groups.InternalOperatorMetricGroup;

/** Of the frames that leave a fragment, those that go by one edge. It ends a chain, and so what it counts are records that the task sends. */
final class FrameFilter extends RichFilterFunction<byte[]> {
    private static final long serialVersionUID = 1;

    private final int edge;
    private transient Counter in;
    private transient Counter out;
    private transient Counter sent;

    FrameFilter(int edge) {
        this.edge = edge;
    }

    @Override
    public void open(OpenContext context) {
        InternalOperatorMetricGroup group = (InternalOperatorMetricGroup) getRuntimeContext().getMetricGroup();
        in = group.getIOMetricGroup().getNumRecordsInCounter();
        out = group.getIOMetricGroup().getNumRecordsOutCounter();
        // Of what goes into the network, the task has counters that are nobody's else; it sums up all that it is given.
        sent = new SimpleCounter();
        group.getTaskIOMetricGroup().reuseRecordsOutputCounter(sent);
    }

    @Override
    public boolean filter(byte[] frame) {
        // Flink counts the frame as one.
        int more = FramePartitioner.records(frame) - 1;
        in.inc(more);
        if (FramePartitioner.edge(frame) != edge) {
            return false;
        }
        out.inc(more);
        sent.inc(more);
        return true;
    }
}
