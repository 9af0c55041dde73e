// Where settings come from, and that no mistake in them passes.
import Foundation
import Glibc
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct SettingsTests {
    private let folder: TemporaryFolder
    private let config: String

    init() throws {
        folder = try TemporaryFolder()
        config = folder.path("config.json")
    }

    private func quern(_ arguments: String..., config text: String, environment: [String: String] = [:]) throws -> QuernBinary.Result {
        try Data(text.utf8).write(to: URL(filePath: config))
        return try QuernBinary.run(arguments + ["--config", config], environment: environment, folder: folder.url)
    }

    @Test(arguments: [
        ("{\n  \"threads\": 2,\n  \"contxt\": 100\n}", 3, "unknown key \"contxt\"; did you mean \"context\"?"),
        ("{\n\n\"threads\": \"two\"}", 3, "threads is \"two\", expected an integer from 1 to 1024"),
        ("{\"threads\": 0}", 1, "threads is 0"),
        ("{\"threads\": 1.5}", 1, "threads is 1.5"),
        ("{\"precision\": \"int9\"}", 1, "int8-fast"),
        ("{\"log_level\": 1}", 1, "expected one of trace"),
        ("{\"memory_budget\": \"4 parsecs\"}", 1, "a size such as 4GiB"),
        ("{\"memory_budget\": \"99999999999999TiB\"}", 1, "a size such as 4GiB"),
        ("{\n\"threads\": 1,\n\"threads\": 2}", 3, "duplicate"),
        ("{\"threads\": 1,}", 1, "expected a string as key"),
        ("[]", 1, "not an object"),
        ("", 1, "unexpected end of document"),
        ("{\"models\": {\n \"a\": {\"path\": \"/m\",\n  \"contxt\": 1}}}", 3, "in models/a; did you mean \"context\"?"),
        ("{\"models\": {\n \"a\": {\"context\": 5}}}", 2, "models/a has no path"),
        ("{\"models\": {\"a\": {\"path\": \"/m\", \"preload\": \"yes\"}}}", 1, "expected true or false"),
        ("{\"model\": null}", 1, "expected a text"),
    ]) func mistakesInTheFileAreNamedWithTheirLine(_ text: String, _ line: Int, _ message: String) throws {
        let result = try quern("run", "hello", config: text)
        #expect(result.status == 78)
        #expect(result.error.contains("\(config):\(line): "), "\(result.error)")
        #expect(result.error.contains(message), "\(result.error)")
        #expect(result.output.isEmpty)
    }

    @Test func unusableFiles() throws {
        #expect(try QuernBinary.run(["run", "x", "--config", "/nonexistent"]).status == 78)
        #expect(try QuernBinary.run(["run", "x"], environment: ["QUERN_CONFIG": "/nonexistent"]).status == 78)
        #expect(try QuernBinary.run(["run", "x", "--config", folder.url.path]).error.contains("not a regular file"))
        mkfifo(folder.path("fifo"), 0o600)
        #expect(try QuernBinary.run(["run", "x", "--config", folder.path("fifo")]).error.contains("not a regular file"))
        let huge = try folder.write("huge", [])
        truncate(huge, 1 << 30)
        #expect(try QuernBinary.run(["run", "x", "--config", huge]).error.contains("the limit is 1048576"))
        try folder.write("open", Array("{}".utf8))
        chmod(folder.path("open"), 0o666)
        #expect(try QuernBinary.run(["run", "x", "--config", folder.path("open")]).error.contains("writable by everybody"))
    }

    /// Command line over environment over file over default.
    @Test func precedence() throws {
        func threads(_ extra: [String], file: String, _ environment: [String: String] = [:]) throws -> JSONValue? {
            try Data(file.utf8).write(to: URL(filePath: config))
            let result = try QuernBinary.run(
                ["bench", QuernBinary.tinyChat, "-p", "8", "-n", "2", "--batch", "1", "-r", "1", "--json", "--config", config] + extra,
                environment: environment)
            #expect(result.status == 0, "\(result.error)")
            return try JSONValue(parsing: result.output)["threads"]
        }
        #expect(try threads([], file: "{\"threads\": 2}") == 2)
        #expect(try threads([], file: "{\"threads\": 2}", ["QUERN_THREADS": "1"]) == 1)
        #expect(try threads(["--threads", "2"], file: "{\"threads\": 2}", ["QUERN_THREADS": "1"]) == 2)
        #expect(try threads([], file: "{\"threads\": 2}", ["QUERN_THREADS": ""]) == 2)
    }

    @Test func theDefaultFileIsRead() throws {
        mkdir(folder.path("quern"), 0o700)
        try folder.write("quern/config.json", Array("{\"model\": \"tiny\", \"models\": {\"tiny\": {\"path\": \"\(QuernBinary.tinyChat)\"}}}".utf8))
        let result = try QuernBinary.run(
            ["run", "--max-tokens", "2", "hello"], environment: ["XDG_CONFIG_HOME": folder.url.path])
        #expect(result.status == 0, "\(result.error)")
    }

    @Test func theEnvironmentIsChecked() throws {
        let wrong = try quern("run", "hello", config: "{}", environment: ["QUERN_THREADS": "many"])
        #expect(wrong.status == 78)
        #expect(wrong.error.contains("QUERN_THREADS is \"many\", expected an integer from 1 to 1024"))
        let typo = try quern("run", "-m", QuernBinary.tinyChat, "--max-tokens", "2", "hello", config: "{}", environment: ["QUERN_THREDS": "1"])
        #expect(typo.status == 0)
        #expect(typo.error.contains("QUERN_THREDS") && typo.error.contains("did you mean \"QUERN_THREADS\"?"))
    }
}
