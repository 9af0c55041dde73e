// Reports: JSON and back, tables, pictures that are well-formed.
import Foundation
import FoundationXML
import QuernJSON
import QuernMeasure
import Testing

@Suite struct ReportTests {
    private var report: BenchReport {
        var subject = BenchReport.Subject()
        subject.model = "a, \"b\" <c>"
        subject.digest = "crc32c:00000001:5"
        subject.precision = "int8"
        subject.threads = 2
        var company = BenchReport.Company()
        company.noise = HostNoise(stolen: 0.25, throttled: 0, others: 0.125)
        company.repeatedRounds = 2
        company.noisyRounds = 1
        let walls = BenchWalls(readBandwidth: 20e9, multiplyRate: 100e9, clock: 3e9)
        var series = [
            BenchSeries(
                .init(kind: .prefill, tokens: 512, depth: 0, batch: 1), runs: [95, 100, 110], bytesPerToken: 4e6, multipliesPerToken: 5e8),
            BenchSeries(
                .init(kind: .decode, tokens: 64, depth: 2048, batch: 4), runs: [40, 50, 45], bytesPerToken: 2e8, multipliesPerToken: 6e8),
        ]
        for index in series.indices { series[index].compare(with: [walls, walls, walls]) }
        return BenchReport(subject: subject, walls: walls, company: company, series: series)
    }

    /// A machine that is half as fast for two of three runs: each is held against its own walls.
    @Test func wallsOfEachRun() {
        var series = BenchSeries(
            .init(kind: .decode, tokens: 64, depth: 0, batch: 1), runs: [45, 90, 48], bytesPerToken: 2e8, multipliesPerToken: 1e7)
        series.compare(with: [10e9, 20e9, 10e9].map { BenchWalls(readBandwidth: $0, multiplyRate: 100e9, clock: 3e9) })
        #expect(series.wallShare == 0.9)
        series.compare(with: [])
        #expect(series.wallShare == nil)
    }

    @Test func documentedJSON() throws {
        let json = report.json
        let results = try #require(json["results"]?.arrayValue)
        #expect(results[0]["kind"] == "prefill")
        #expect(results[1]["kind"] == "decode" && results[1]["tokens"] == 64 && results[1]["depth"] == 2048 && results[1]["batch"] == 4)
        #expect(results[1]["tokens_per_second"] == 45.0)
        #expect(results[1]["runs"] == [40.0, 50.0, 45.0])
        #expect(results[1]["gigabytes_per_second"] == 9.0)
        #expect(results[1]["wall_share"] == 0.45)           // of the bandwidth, the nearer wall
        #expect(results[0]["wall_share"] == 0.5)            // of the multiply rate
        #expect(json["noise"]?["repeated_rounds"] == 2)
    }

    @Test func jsonAndBack() throws {
        let copy = try BenchReport(report.json)
        #expect(copy.subject == report.subject)
        #expect(copy.walls == report.walls)
        #expect(copy.company == report.company)
        #expect(copy.text(.table) == report.text(.table))
        #expect(copy.json == report.json)
    }

    @Test(arguments: [
        ("{}", "/results"), ("{\"results\":[{}]}", "/results/0/kind"), ("{\"results\":[{\"kind\":\"decode\"}]}", "/results/0/tokens"),
        ("{\"results\":[{\"kind\":\"decode\",\"tokens\":-1}]}", "/results/0/tokens"),
        ("{\"results\":[{\"kind\":\"decode\",\"tokens\":1,\"runs\":[]}]}", "/results/0/runs"),
        ("{\"results\":[{\"kind\":\"decode\",\"tokens\":1,\"runs\":[1,\"x\"]}]}", "/results/0/runs"),
        ("{\"results\":[{\"kind\":\"decode\",\"tokens\":1,\"runs\":[1,-1]}]}", "/results/0/runs"), ("[]", "/results"),
    ])
    func brokenReportsNameTheMember(_ text: String, _ expected: String) throws {
        let json = try JSONValue(parsing: Array(text.utf8))
        let error = #expect(throws: MeasureError.self) { try BenchReport(json) }
        #expect(error?.description.contains(expected) == true)
    }

    @Test func tables() {
        let table = report.text(.table)
        #expect(table.contains("45.0") && table.contains("5.0") && table.contains("45 %"))
        #expect(table.contains("noise: 2 rounds repeated") && table.contains("1 noisy rounds are included"))
        let markdown = report.text(.markdown).split(separator: "\n").filter { $0.hasPrefix("|") }
        #expect(markdown.count == 4)
        let csv = report.text(.csv).split(separator: "\n")
        #expect(csv.count == 3)
        #expect(csv[1].hasPrefix("\"a, \"\"b\"\" <c>\",crc32c:00000001:5,int8,"))
        #expect(csv[2].hasSuffix("45.000,40.000,50.000,3,9.000,27.000,0.4500"))
        var quiet = report
        quiet.company = .init()
        #expect(!quiet.text(.table).contains("noise"))
    }

    private func isWellFormed(_ document: String) -> Bool { XMLParser(data: Data(document.utf8)).parse() }

    @Test func pictures() throws {
        #expect(isWellFormed(report.plot))
        #expect(report.plot.contains("&lt;c&gt;"))
        #expect(report.plot.contains("roofline"))
        var bare = report
        bare.walls = nil
        #expect(isWellFormed(bare.plot))
        var record = RequestRecord(due: 0)
        record.arrivals = [0.1, 0.2]
        record.ended = 0.2
        var failed = RequestRecord(due: 0.1)
        failed.error = "no"
        failed.ended = 0.1
        for records in [[record, failed], [failed], []] {
            let result = LoadResult(records, arrivals: .closed(concurrency: 2), target: try LatencyTarget(parsing: "ttft:50"))
            #expect(isWellFormed(LoadResult.plot([result, result], title: "a & b\u{1}")))
            #expect(LoadResult([], arrivals: .closed(concurrency: 1), target: nil).json["requests"] == 0)
        }
    }
}
