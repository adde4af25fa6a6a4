package io.tidegate.flink;

import org.apache.flink.runtime.io.network.api.writer.SubtaskStateMapper;
import org.apache.flink.runtime.plugable.SerializationDelegate;
import org.apache.flink.streaming.runtime.partitioner.StreamPartitioner;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/** Brings each frame to the subtask that it is addressed to: who sends it knows the owners of the key groups. */
final class FramePartitioner extends StreamPartitioner<byte[]> {
    private static final long serialVersionUID = 1;

    FramePartitioner() {
        // The records of a frame belong together only at the parallelism at which it was made.
        disableUnalignedCheckpoints();
    }

    @Override
    public int selectChannel(SerializationDelegate<StreamRecord<byte[]>> record) {
        return number(record.getInstance().getValue(), 0);
    }

    /** The edge by which a frame goes. */
    static int edge(byte[] frame) {
        return number(frame, 4);
    }

    /** How many records are in it. */
    static int records(byte[] frame) {
        return number(frame, 8);
    }

    private static int number(byte[] frame, int at) {
        return (frame[at] & 255) | (frame[at + 1] & 255) << 8 | (frame[at + 2] & 255) << 16 | (frame[at + 3] & 255) << 24;
    }

    @Override
    public StreamPartitioner<byte[]> copy() {
        return this;
    }

    @Override
    public SubtaskStateMapper getDownstreamSubtaskStateMapper() {
        return SubtaskStateMapper.UNSUPPORTED;
    }

    @Override
    public boolean isPointwise() {
        return false;
    }

    @Override
    public String toString() {
        return "KEY GROUP";
    }
}
