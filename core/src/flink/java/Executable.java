package io.tidegate.flink;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Locale;
import java.util.Map;

/** The job's executable, out of the jar: once for all who use it in this JVM, and gone when nobody does. */
final class Executable implements AutoCloseable {
    private static Path path;
    private static int users;

    private Executable() {}

    static Executable acquire() throws IOException {
        synchronized (Executable.class) {
            if (users == 0) {
                path = extract();
            }
            users++;
        }
        return new Executable();
    }

    Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        synchronized (Executable.class) {
            if (--users == 0) {
                Files.deleteIfExists(path);
            }
        }
    }

    private static Path extract() throws IOException {
        String name = "/native/" + platform() + "/job";
        try (InputStream job = Executable.class.getResourceAsStream(name)) {
            if (job == null) {
                throw new Guest.JobFailure("the jar has no executable of the job for " + platform()
                        + ", which this machine is: build the job there, and package it again");
            }
            Path file = Files.createTempFile("tidegate-", "-job",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            try {
                Files.copy(job, file, StandardCopyOption.REPLACE_EXISTING);
                check(name, file);
                Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r-x------"));
                return file;
            } catch (IOException error) {
                Files.deleteIfExists(file);
                throw error;
            }
        }
    }

    /** Java would have a shell run what the kernel refuses to, and its complaint says nothing to anybody. */
    private static void check(String name, Path file) throws IOException {
        Integer own = MACHINES.get(platform());
        try (DataInputStream head = new DataInputStream(Files.newInputStream(file))) {
            boolean isElf = head.readInt() == 0x7f454c46;
            head.skipNBytes(1);
            boolean isLittleEndian = head.readByte() == 1;
            head.skipNBytes(12);
            short machine = head.readShort();
            int its = (isLittleEndian ? Short.reverseBytes(machine) : machine) & 0xffff;
            if (own == null || isElf && its == own) {
                return;
            }
            String is = !isElf ? "no executable of Linux" : MACHINES.entrySet().stream()
                    .filter(known -> known.getValue() == its)
                    .map(known -> "for " + known.getKey())
                    .findAny()
                    .orElse("for another machine (its ELF number is " + its + ")");
            throw new Guest.JobFailure("the executable of the job in the jar, " + name + ", is " + is
                    + ", and this machine is " + platform() + ": build the job there, and package it again");
        } catch (EOFException cut) {
            throw new Guest.JobFailure("the executable of the job in the jar, " + name + ", is cut off: package it again");
        }
    }

    /** What an ELF file of each platform says that it is for. */
    private static final Map<String, Integer> MACHINES =
            Map.of("linux-x86_64", 62, "linux-aarch64", 183, "linux-riscv64", 243);

    /** As Rust calls it: `linux-x86_64`. */
    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("mac") ? "macos" : "linux";
        String arch = System.getProperty("os.arch");
        return os + "-" + (arch.equals("amd64") ? "x86_64" : arch.equals("arm64") ? "aarch64" : arch);
    }
}
