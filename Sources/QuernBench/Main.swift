// `quern-bench`: the kernels alone, beside the walls of the machine.
//
// Every line is the median of interleaved rounds over 256 MB of weights: they come from memory unless a last cache is larger.
import ArgumentParser
import QuernTensor

@main
struct QuernBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quern-bench",
        abstract: "Measure the kernels beside the machine's read bandwidth and multiply rate.",
        discussion: """
            GMAC/s are 10^9 multiply-accumulates per second of all threads, MAC/cycle are per core, GB/s is the weights that were \
            read. The wall of few tokens is the bandwidth, the wall of many is the multiply rate.

            Examples:
              quern-bench
              quern-bench --isa avx2 --threads 1 --tokens 1,4,512 --shape 4864x896
            """,
        subcommands: [TokenizerBench.self])

    @Option(help: "Instruction set (default: the best).")
    var isa: String?

    @Option(help: "Threads.")
    var threads = WorkerPool.affinityCount

    @Option(help: "Numbers of tokens.")
    var tokens = "1,2,4,8,16,64,512"

    @Option(help: "Weights as ROWSxCOLUMNS, several separated by commas.")
    var shape = "896x896,4864x896,896x4864,6144x1024,32768x1024"

    @Option(help: "Columns per scale: 32 or 64.")
    var group = 64

    @Option(help: "Rounds.")
    var rounds = 5

    func run() throws {
        guard let set = InstructionSet(isa) else {
            throw ValidationError("--isa \(isa ?? "") is not supported here; supported: \(InstructionSet.supported.joined(separator: ", "))")
        }
        let counts = tokens.split(separator: ",").compactMap { Int($0) }
        let shapes = shape.split(separator: ",").map { $0.split(separator: "x").compactMap { Int($0) } }
        guard !counts.isEmpty, counts.allSatisfy({ (1...4096).contains($0) }), shapes.allSatisfy({ $0.count == 2 && $0.allSatisfy { $0 > 0 } }),
            group == 32 || group == 64, threads > 0, rounds > 0
        else { throw ValidationError("--tokens, --shape, --group, --threads or --rounds is not usable; see --help") }
        let probe = try WallProbe(threads: threads, instructionSet: set)
        let walls = probe.measure().limit
        print(
            "\(set), \(threads) threads, \(fixed(walls.clock / 1e9, 2)) GHz; walls: \(fixed(walls.readBandwidth / 1e9, 1)) GB/s, "
                + "\(fixed(walls.multiplyRate / 1e9, 0)) GMAC/s")
        print("shape           tokens     GMAC/s  MAC/cycle  of wall       GB/s  of wall")
        for dimensions in shapes {
            let problem = try MatmulProblem(
                rows: dimensions[0], columns: dimensions[1], group: group, maxTokens: counts.max() ?? 1, threads: threads, set: set)
            for count in counts {
                let seconds = problem.secondsPerProduct(tokens: count, rounds: rounds)
                let rate = Double(dimensions[0] * dimensions[1] * count) / seconds
                let bytes = Double(problem.weightBytes) / seconds
                print(
                    pad("\(dimensions[0])x\(dimensions[1])", 15) + pad("\(count)", 7, left: true) + pad(fixed(rate / 1e9, 1), 11, left: true)
                        + pad(fixed(rate / walls.clock / Double(threads), 1), 11, left: true)
                        + pad(walls.multiplyRate > 0 ? fixed(100 * rate / walls.multiplyRate, 0) + " %" : "-", 9, left: true)
                        + pad(fixed(bytes / 1e9, 1), 11, left: true)
                        + pad(fixed(100 * bytes / walls.readBandwidth, 0) + " %", 9, left: true))
            }
        }
    }
}

private func fixed(_ value: Double, _ digits: Int) -> String {
    let scale = [1.0, 10.0, 100.0][digits]
    let rounded = (value * scale).rounded() / scale
    return digits == 0 ? "\(Int64(rounded))" : "\(rounded)"
}

private func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? space + text : text + space
}
