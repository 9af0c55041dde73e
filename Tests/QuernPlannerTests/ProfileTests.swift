// Profile files: what comes with quern, and what is refused.
import QuernPlanner
import Testing

@Suite struct ProfileTests {
    private func profile(_ lines: String...) throws -> DeviceProfile {
        try DeviceProfile(parsing: Array(lines.joined(separator: "\n").utf8), id: "test", file: "test.profile")
    }

    private func refusal(_ lines: String...) -> ProfileError? {
        do throws(ProfileError) {
            _ = try DeviceProfile(parsing: Array(lines.joined(separator: "\n").utf8), id: "test", file: "test.profile")
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: DeviceProfile.builtInNames) func everyBuiltInReads(_ name: String) throws {
        let profile = try #require(try DeviceProfile.builtIn(name))
        #expect(profile.id == name)
        #expect(!profile.name.isEmpty)
        #expect(profile.facts["memory.bandwidth"]?.value != nil || profile.facts["memory.read"]?.value != nil)
        for table in [profile.facts] + profile.engines.map(\.facts) {
            for entry in table.entries { #expect(entry.fact.source.count >= 8, "\(name) \(entry.key)") }
        }
    }

    @Test func readsNumbersUnitsAndRanges() throws {
        let read = try profile(
            "# a comment", "name = A Chip", "", "memory.capacity = 96 GiB ; read ; data sheet", "power = 400 W ; recalled ; memory",
            "memory.bandwidth = unknown ; unknown ; not published",
            "[engine one]", "layer.overhead = 83 .. 117 us ; derived ; fit; two runs", "kernel.q8.compute.4 = 20 GFLOPS ; measured ; here",
            "[engine two]", "error = 5 % ; derived ; fit")
        #expect(read.name == "A Chip")
        #expect(read.facts["memory.capacity"]?.value == Estimate(0x1.8p36))
        #expect(read.facts["memory.bandwidth"]?.value == nil)
        #expect(read.engines.map(\.name) == ["one", "two"])
        let overhead = try #require(read.engine("one")?.facts["layer.overhead"])
        #expect(overhead.value.map { abs($0.expected - 100e-6) < 1e-9 } == true)
        #expect(overhead.source == "fit; two runs")
        #expect(read.engine("two")?.facts["error"]?.value == Estimate(0.05))
        #expect(read.engine("three") == nil)
    }

    @Test func refusalsNameLineAndKey() {
        let cases: [(line: String, key: String, reason: String)] = [
            ("memory.bandwith = 2 TB/s ; read ; x", "memory.bandwith", "not a key"),
            ("memory.bandwidth = -2 TB/s ; read ; x", "memory.bandwidth", "positive"),
            ("memory.bandwidth = 0 TB/s ; read ; x", "memory.bandwidth", "positive"),
            ("memory.bandwidth = 2 TB ; read ; x", "memory.bandwidth", "a bandwidth"),
            ("memory.bandwidth = 2 ; read ; x", "memory.bandwidth", "a bandwidth"),
            ("memory.capacity = 96 GB/s ; read ; x", "memory.capacity", "an amount of memory"),
            ("power = 400 watts ; read ; x", "power", "a power"), ("power = nan W ; read ; x", "power", "expected a number"),
            ("power = 1e999 W ; read ; x", "power", "expected a number"), ("power = many W ; read ; x", "power", "expected a number"),
            ("power = 1e300 W ; read ; x", "power", "beyond"), ("power = 9 .. 3 W ; read ; x", "power", "down to"), ("power = 400 W ; certain ; x", "power", "confidence"),
            ("power = 400 W ; read", "power", "every number says who states it"), ("power = 400 W", "power", "every number"),
            ("power = unknown ; read ; x", "power", "unknown"), ("power = 5 W ; unknown ; x", "power", "unknown"),
            ("layer.overhead = 5 us ; read ; x", "layer.overhead", "not a key of a device"),
            ("power", "power", "is not `key = value"), ("[engine]", "[engine]", "[engine NAME]"), ("name = B", "name", "twice"),
        ]
        for (line, key, reason) in cases {
            let error = refusal("name = A", "# padding", line)
            #expect(error?.line == 3, "\(line): \(String(describing: error))")
            #expect(error?.key == key, "\(line)")
            #expect(error?.reason.contains(reason) == true, "\(line): \(error?.reason ?? "accepted")")
            #expect(error?.description.hasPrefix("test.profile:3: \(key)") == true)
        }
        #expect(refusal("name = A", "power = 5 W ; read ; x", "power = 5 W ; read ; x")?.reason == "stands twice")
        #expect(refusal("name = A", "[engine e]", "kernel.q8.compute.0 = 5 TFLOPS ; read ; x")?.line == 3)
        #expect(refusal("power = 5 W ; read ; x")?.key == "name")
    }

    @Test func bytesThatAreNoText() {
        #expect(throws: ProfileError.self) { try DeviceProfile(parsing: [0xFF, 0xFE], id: "x", file: "x") }
        let huge = [UInt8](repeating: 0x20, count: DeviceProfile.maxByteCount + 1)
        #expect(throws: ProfileError.self) { try DeviceProfile(parsing: huge, id: "x", file: "x") }
    }

    /// `quern calibrate` stores profiles as text; reading them back loses nothing.
    @Test(arguments: DeviceProfile.builtInNames) func survivesItsOwnText(_ name: String) throws {
        let original = try #require(try DeviceProfile.builtIn(name))
        let copy = try DeviceProfile(parsing: Array(original.text.utf8), id: name, file: name)
        #expect(copy.text == original.text)
        for (a, b) in zip(original.engines, copy.engines) {
            for entry in a.facts.entries {
                let (old, new) = (entry.fact.value?.expected ?? 1, b.facts[entry.key]?.value?.expected ?? 1)
                #expect(abs(new / old - 1) < 2e-3, "\(entry.key) \(old) \(new)")
            }
        }
    }

    @Test func capacityCanBeGiven() throws {
        let apple = try #require(try DeviceProfile.builtIn("apple-m4"))
        #expect(apple.facts["memory.capacity"]?.value == nil)
        #expect(try apple.withCapacity("16GB").facts["memory.capacity"]?.value == Estimate(16e9))
        #expect(throws: ProfileError.self) { try apple.withCapacity("16") }
        #expect(throws: ProfileError.self) { try apple.withCapacity("-1GB") }
    }
}
