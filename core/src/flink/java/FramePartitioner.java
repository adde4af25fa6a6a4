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
        byte[] frame = record.getInstance().getValue();
        return (frame[0] & 255) | (frame[1] & 255) << 8 | (frame[2] & 255) << 16 | (frame[3] & 255) << 24;
    }

    /** The edge by which a frame goes. */
    static int edge(byte[] frame) {
        return (frame[4] & 255) | (frame[5] & 255) << 8 | (frame[6] & 255) << 16 | (frame[7] & 255) << 24;
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
