// What ns-3 takes for a packet: flows of UDP from one node to another over a link of 10 Gb/s that they fill, with
// FQ-CoDel in front of it. Prints packets delivered, the processor time of the run in ns, and events.
//
//   g++ -O2 flows.cc -o flows $(pkg-config --cflags --libs ns3-applications ns3-point-to-point ns3-traffic-control)
//   ./flows --flows=32 --payload=18 --milliseconds=20
#include <ns3/applications-module.h>
#include <ns3/core-module.h>
#include <ns3/internet-module.h>
#include <ns3/network-module.h>
#include <ns3/point-to-point-module.h>
#include <ns3/traffic-control-module.h>

#include <ctime>
#include <iostream>

using namespace ns3;

namespace
{
constexpr double LINK_BPS = 10e9;
// IP and UDP headers, and what PPP has on this link.
constexpr uint32_t OVERHEAD_BYTES = 30;
constexpr uint16_t FIRST_PORT = 5000;

uint64_t g_delivered = 0;

void
Count(Ptr<const Packet>, const Address&)
{
    g_delivered += 1;
}
} // namespace

int
main(int argc, char** argv)
{
    uint32_t flows = 32;
    uint32_t payload = 18;
    uint32_t milliseconds = 20;
    CommandLine options(__FILE__);
    options.AddValue("flows", "Flows that share the link", flows);
    options.AddValue("payload", "Bytes of UDP payload per packet", payload);
    options.AddValue("milliseconds", "Simulated time", milliseconds);
    options.Parse(argc, argv);

    NodeContainer nodes;
    nodes.Create(2);
    PointToPointHelper link;
    link.SetDeviceAttribute("DataRate", StringValue("10Gbps"));
    link.SetDeviceAttribute("Mtu", UintegerValue(1500));
    link.SetChannelAttribute("Delay", StringValue("500ns"));
    const NetDeviceContainer devices = link.Install(nodes);
    InternetStackHelper internet;
    internet.Install(nodes);
    TrafficControlHelper control;
    control.SetRootQueueDisc("ns3::FqCoDelQueueDisc", "MaxSize", StringValue("10240p"));
    control.Install(devices);
    Ipv4AddressHelper addresses;
    addresses.SetBase("10.0.0.0", "255.255.255.0");
    const Ipv4InterfaceContainer interfaces = addresses.Assign(devices);

    // Together a twentieth more than the link carries: each flow always has a packet waiting.
    const double wireShare = LINK_BPS * 1.05 / flows;
    const double payloadShare = wireShare * payload / (payload + OVERHEAD_BYTES);
    for (uint32_t flow = 0; flow < flows; flow += 1)
    {
        const uint16_t port = FIRST_PORT + flow;
        PacketSinkHelper sink("ns3::UdpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), port));
        sink.Install(nodes.Get(1)).Get(0)->TraceConnectWithoutContext("Rx", MakeCallback(&Count));
        OnOffHelper source("ns3::UdpSocketFactory", InetSocketAddress(interfaces.GetAddress(1), port));
        source.SetConstantRate(DataRate(static_cast<uint64_t>(payloadShare)), payload);
        source.Install(nodes.Get(0)).Get(0)->SetStartTime(NanoSeconds(flow * 100));
    }

    Simulator::Stop(MilliSeconds(milliseconds));
    const std::clock_t from = std::clock();
    Simulator::Run();
    const double cpuNs = 1e9 * static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC;
    std::cout << g_delivered << " " << static_cast<uint64_t>(cpuNs) << " " << Simulator::GetEventCount() << "\n";
    Simulator::Destroy();
    return 0;
}
