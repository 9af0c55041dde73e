// Paths that are no model: rows M25 to M27 of the fault catalogue.
import Foundation
import Glibc
import QuernCheckpoint
import TestSupport
import Testing

@Suite struct FileKindTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func specialFilesAreRefusedWithoutBlocking() throws {
        let fifo = folder.path("fifo")
        #expect(mkfifo(fifo, 0o600) == 0)
        for path in [fifo, "/dev/zero"] {
            #expect(try #require(openError(path)).code == .unreadable, "\(path)")
        }
        #expect(openError("/proc/self/mem") != nil)
        #expect(try #require(openError(folder.path("absent.gguf"))).code == .missing)
        try FileManager.default.createSymbolicLink(atPath: folder.path("dangling"), withDestinationPath: folder.path("gone"))
        #expect(try #require(openError(folder.path("dangling"))).code == .missing)
        #expect(try #require(openError(folder.url.path)).code == .missing)       // a folder without config.json
    }

    @Test func textIsNotAModel() throws {
        let error = try #require(openError(try folder.write("notes.txt", Array("hello\n\u{1B}[31m".utf8))))
        #expect(error.code == .malformed)
        #expect(error.detail.contains("neither a GGUF file"))
        #expect(!error.description.contains("\u{1B}"))
    }

    @Test func changesWhileReadingAreNoticed() throws {
        let path = try folder.write("m.gguf", GGUFBuilder(TinyModel()).bytes)
        let checkpoint = try openCheckpoint(path: path)
        truncate(path, 5000)
        #expect(throws: CheckpointError.self) { try checkpoint.floats("model.norm.weight") }
        let rewritten = try folder.write("n.gguf", GGUFBuilder(TinyModel()).bytes)
        let second = try openCheckpoint(path: rewritten)
        usleep(20_000)
        try Data(GGUFBuilder(TinyModel(layers: 2)).bytes).write(to: URL(filePath: rewritten))
        #expect(throws: (any Error).self) { try Packer.pack(second, to: folder.path("n.quern")) }
    }
}
