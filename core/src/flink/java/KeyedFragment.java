package io.tidegate.flink;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledFuture;
import org.apache.flink.api.common.TaskInfo;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.metrics.Counter;
import org.apache.flink.runtime.checkpoint.CheckpointOptions;
import org.apache.flink.runtime.state.CheckpointStateOutputStream;
import org.apache.flink.runtime.state.CheckpointStreamFactory;
import org.apache.flink.runtime.state.CheckpointedStateScope;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.apache.flink.runtime.state.KeyGroupRangeOffsets;
import org.apache.flink.runtime.state.KeyGroupStatePartitionStreamProvider;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.SnapshotResult;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.runtime.state.StreamStateHandle;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.OperatorSnapshotFutures;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * A fragment of keyed stages as an operator. Frames come in and go out; keyed state is raw keyed state, in a stream for each key
 * group: blocks, each behind its length, and a zero. What belongs to no key is a union list state.
 */
final class KeyedFragment extends AbstractStreamOperator<byte[]>
        implements OneInputStreamOperator<byte[], byte[]>, BoundedOneInput {
    private static final long serialVersionUID = 1;
    private static final byte[] NOTHING = {};
    /** How long a result waits at most to be collected when nothing more comes. */
    private static final long LINGER_MILLIS = 5;

    private final String[] args;
    private final int fragment;

    private transient Guest guest;
    private transient Guest.Output downstream;
    private transient ListState<byte[]> kept;
    private transient ScheduledFuture<?> timer;
    private transient long timerAt;

    KeyedFragment(String[] args, int fragment) {
        this.args = args;
        this.fragment = fragment;
    }

    @Override
    protected boolean isUsingCustomRawKeyedState() {
        return true;
    }

    @Override
    public boolean hasKeyContext1() {
        return false;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        kept = context.getOperatorStateStore()
                .getUnionListState(new ListStateDescriptor<>("kept", BytePrimitiveArraySerializer.INSTANCE));
        downstream = new Downstream();
        guest = new Guest(new Figures(getMetricGroup()));
        List<String> all = new ArrayList<>();
        Long restored = null;
        if (context.isRestored()) {
            restored = context.getRestoredCheckpointId().orElse(0);
            for (byte[] one : kept.get()) {
                all.add(new String(one, StandardCharsets.UTF_8));
            }
        }
        TaskInfo task = getRuntimeContext().getTaskInfo();
        guest.tell(Guest.BEGIN, 0, Beginning.of(args, fragment, task.getIndexOfThisSubtask(),
                task.getNumberOfParallelSubtasks(), guest, restored, all, Map.of()));
        for (KeyGroupStatePartitionStreamProvider group : context.getRawKeyedStateInputs()) {
            DataInputStream in = new DataInputStream(group.getStream());
            for (int length = in.readInt(); length > 0; length = in.readInt()) {
                byte[] block = new byte[length];
                in.readFully(block);
                guest.tell(Guest.BLOCK, group.getKeyGroupId(), block);
            }
        }
        guest.ask(Guest.OPEN, NOTHING);
    }

    @Override
    public void open() throws Exception {
        super.open();
        settle();
    }

    @Override
    public void processElement(StreamRecord<byte[]> element) throws Exception {
        guest.collect(downstream);
        // Flink counts the frame as one.
        getMetricGroup().getIOMetricGroup().getNumRecordsInCounter().inc(FramePartitioner.records(element.getValue()) - 1);
        guest.ask(Guest.RECORDS, element.getValue());
        wakeIn(LINGER_MILLIS);
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
        guest.collect(downstream);
        guest.ask(Guest.WATERMARK, mark.getTimestamp());
        wakeIn(LINGER_MILLIS);
    }

    @Override
    public void processWatermarkStatus(WatermarkStatus status) throws Exception {
        guest.collect(downstream);
        guest.ask(Guest.STATUS, new byte[] {(byte) (status.isIdle() ? 1 : 0)});
        wakeIn(LINGER_MILLIS);
    }

    @Override
    public void endInput() throws Exception {
        guest.collect(downstream);
        guest.ask(Guest.FLUSH, NOTHING);
        guest.collect(downstream);
    }

    @Override
    public void prepareSnapshotPreBarrier(long checkpointId) throws Exception {
        guest.collect(downstream);
        guest.ask(Guest.BARRIER, checkpointId);
        guest.collect(downstream);
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        kept.update(List.of(guest.kept().getBytes(StandardCharsets.UTF_8)));
    }

    @Override
    public OperatorSnapshotFutures snapshotState(long checkpointId, long timestamp, CheckpointOptions options,
            CheckpointStreamFactory factory) throws Exception {
        OperatorSnapshotFutures futures = super.snapshotState(checkpointId, timestamp, options, factory);
        TaskInfo task = getRuntimeContext().getTaskInfo();
        KeyGroupRange groups = KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex(
                task.getMaxNumberOfParallelSubtasks(), task.getNumberOfParallelSubtasks(), task.getIndexOfThisSubtask());
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(guest.directory.resolve("state.socket"));
        futures.setKeyedStateRawFuture(new FutureTask<>(() -> write(address, checkpointId, groups, factory)));
        return futures;
    }

    /** Brings the state, as it was at the barrier, from the process to the checkpoint; the task goes on meanwhile. */
    private static SnapshotResult<KeyedStateHandle> write(UnixDomainSocketAddress address, long checkpointId,
            KeyGroupRange groups, CheckpointStreamFactory factory) throws Exception {
        long[] offsets = new long[groups.getNumberOfKeyGroups()];
        Arrays.fill(offsets, -1);
        try (SocketChannel channel = SocketChannel.open(address);
                CheckpointStateOutputStream stream =
                        factory.createCheckpointStateOutputStream(CheckpointedStateScope.EXCLUSIVE)) {
            ByteBuffer number = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, checkpointId);
            channel.write(number);
            DataInputStream in = new DataInputStream(
                    new java.io.BufferedInputStream(java.nio.channels.Channels.newInputStream(channel), 1 << 16));
            DataOutputStream out = new DataOutputStream(stream);
            int current = -1;
            while (true) {
                int group = Integer.reverseBytes(in.readInt());
                byte[] block = new byte[Integer.reverseBytes(in.readInt())];
                in.readFully(block);
                if (group != current && current >= 0) {
                    out.writeInt(0);
                }
                if (group == -1) {
                    break;
                }
                if (group == -2) {
                    throw new Guest.JobFailure(new String(block, StandardCharsets.UTF_8));
                }
                if (group != current) {
                    offsets[group - groups.getStartKeyGroup()] = stream.getPos();
                    current = group;
                }
                out.writeInt(block.length);
                out.write(block);
            }
            out.flush();
            if (current < 0) {
                return SnapshotResult.empty();
            }
            StreamStateHandle handle = stream.closeAndGetHandle();
            return SnapshotResult.of(new KeyGroupsStateHandle(new KeyGroupRangeOffsets(groups, offsets), handle));
        }
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) throws Exception {
        super.notifyCheckpointComplete(checkpointId);
        guest.collect(downstream);
        guest.ask(Guest.COMMIT, checkpointId);
        settle();
    }

    @Override
    public void close() throws Exception {
        try {
            if (guest != null) {
                guest.close();
            }
        } finally {
            super.close();
        }
    }

    /** Collects what has come of the last request, and sees to it that what is next will be done. */
    private void settle() throws IOException {
        guest.collect(downstream);
        if (guest.next() == Guest.FLUSH_SOON || guest.next() == Guest.WAKE) {
            wakeIn(Math.max(1, guest.nextMillis()));
        }
    }

    private void wakeIn(long millis) {
        long at = getProcessingTimeService().getCurrentProcessingTime() + millis;
        if (timer != null && timerAt <= at) {
            return;
        }
        if (timer != null) {
            timer.cancel(false);
        }
        timerAt = at;
        timer = getProcessingTimeService().registerTimer(at, now -> {
            timer = null;
            guest.collect(downstream);
            if (guest.next() == Guest.FLUSH_SOON || guest.next() == Guest.WAKE && guest.nextMillis() == 0) {
                guest.ask(Guest.FLUSH, NOTHING);
            }
            settle();
        });
    }

    private final class Downstream implements Guest.Output {
        private final StreamRecord<byte[]> record = new StreamRecord<>(null);

        private final Counter out = getMetricGroup().getIOMetricGroup().getNumRecordsOutCounter();

        @Override
        public void records(byte[] frame) {
            out.inc(FramePartitioner.records(frame) - 1);
            output.collect(record.replace(frame));
        }

        @Override
        public void watermark(long millis) {
            output.emitWatermark(new Watermark(millis));
        }

        @Override
        public void status(boolean idle) {
            output.emitWatermarkStatus(idle ? WatermarkStatus.IDLE : WatermarkStatus.ACTIVE);
        }
    }
}
