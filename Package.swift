// swift-tools-version: 6.2
// Targets in dependency order; Sources/ARCHITECTURE.md says what each owns and which imports are forbidden.
// Versions are exact because Package.resolved is not kept.
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

// Kernels without optimisation are some fifty times slower and would make a debug build useless.
let kernelSettings: [CSetting] = [
    .unsafeFlags(["-O3", "-Wall", "-Wextra"]),
]

func target(_ name: String, _ dependencies: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

let package = Package(
    name: "quern",
    products: [
        .executable(name: "quern", targets: ["QuernCLI"]),
        .executable(name: "quern-bench", targets: ["QuernBench"]),
        .library(name: "Quern", targets: ["Quern"]),
        .library(name: "QuernTokenizer", targets: ["QuernTokenizer"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CBLAS", providers: [.apt(["libblas-dev"])]),
        .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
        .target(name: "CQuernKernels", cSettings: kernelSettings),
        .target(name: "CQuernText", cSettings: kernelSettings),

        target("QuernJSON"),
        target("QuernTemplate", ["QuernJSON"]),
        target("QuernTokenizer", ["CQuernText", "QuernJSON"]),
        target("QuernGrammar", ["QuernJSON"]),
        target("QuernModel", ["QuernJSON"]),
        target("QuernPlanner", ["QuernModel", "QuernJSON"], resources: [.embedInCode("Profiles")]),
        target("QuernTensor", ["CQuernKernels", "CBLAS", "CLZ4"]),
        target("QuernCheckpoint", ["QuernTensor", "QuernModel", "QuernJSON", "QuernTokenizer"]),
        target("QuernEngine", [
            "QuernTensor", "QuernModel", "QuernCheckpoint", "QuernGrammar",
            .product(name: "DequeModule", package: "swift-collections"),
        ]),
        target("Quern", [
            "QuernTokenizer", "QuernTemplate", "QuernGrammar", "QuernEngine", "QuernPlanner", "QuernModel", "QuernCheckpoint", "QuernJSON",
        ]),
        target("QuernAPI", ["QuernJSON"]),
        target("QuernBatch", ["QuernJSON", "QuernTensor"]),
        target("QuernMeasure", ["QuernJSON", .product(name: "Histogram", package: "hdrhistogram-swift")]),
        target("QuernServer", [
            "Quern", "QuernAPI", "QuernBatch", "QuernGrammar", "QuernPlanner", "QuernTemplate", "QuernTensor", "QuernTokenizer",
            .product(name: "Hummingbird", package: "hummingbird"),
            .product(name: "HummingbirdCore", package: "hummingbird"),
            .product(name: "NIOExtras", package: "swift-nio-extras"),
            .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        ], resources: [.embedInCode("Page/page.html")]),
        .executableTarget(
            name: "QuernCLI",
            dependencies: [
                "QuernServer", "Quern", "QuernAPI", "QuernBatch", "QuernGrammar", "QuernPlanner", "QuernMeasure", "QuernCheckpoint",
                "QuernEngine",
                "QuernModel", "QuernTokenizer", "QuernTemplate", "QuernTensor", "QuernJSON",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings),

        .executableTarget(
            name: "QuernBench",
            dependencies: [
                "QuernTensor", "QuernTokenizer", "QuernJSON", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),

        .target(name: "TestSupport", dependencies: ["QuernJSON"], path: "Tests/TestSupport", swiftSettings: swiftSettings),
        tests("QuernKernelsTests", ["CQuernKernels"]),
        tests("QuernJSONTests", ["QuernJSON"]),
        tests("QuernTemplateTests", ["QuernTemplate", "QuernJSON", "TestSupport"]),
        tests("QuernTokenizerTests", ["QuernTokenizer", "CQuernText", "QuernJSON", "TestSupport"]),
        tests("QuernGrammarTests", ["QuernGrammar", "QuernTokenizer", "QuernJSON", "TestSupport"]),
        tests("QuernModelTests", ["QuernModel", "QuernJSON", "TestSupport"]),
        tests("QuernPlannerTests", ["QuernPlanner", "QuernModel", "QuernJSON", "TestSupport"]),
        tests("QuernCheckpointTests", [
            "QuernCheckpoint", "QuernModel", "QuernJSON", "QuernTensor", "QuernTokenizer", "TestSupport",
        ]),
        tests("QuernEngineTests", [
            "QuernEngine", "QuernCheckpoint", "QuernGrammar", "QuernModel", "QuernTensor", "QuernJSON", "TestSupport",
        ]),
        tests("QuernTests", ["Quern", "QuernEngine", "QuernPlanner", "QuernModel", "QuernGrammar", "QuernTemplate", "QuernJSON", "QuernTokenizer", "TestSupport"]),
        tests("QuernMeasureTests", ["QuernMeasure", "QuernJSON", "TestSupport"]),
        tests("CommandTests", ["QuernJSON", "TestSupport"]),
        tests("DaemonTests", ["QuernJSON", "TestSupport"]),
    ]
)
