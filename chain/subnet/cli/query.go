package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/types/query"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// QueryCommand returns the command that holds the queries of the module.
func QueryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subnet",
		Short: "Subnets, neurons, weights and emission",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(
		listCommand(), showCommand(), metagraphCommand(), neuronCommand(), weightsCommand(), bondsCommand(),
		commitsCommand(), pulseCommand(), historyCommand(), positionsCommand(), identityCommand(),
		rootWeightsCommand(), emissionCommand(), paramsCommand(),
	)
	return cmd
}

// answer is a question to the chain, made of a command's arguments, and the
// table that shows what it answers.
type answer[R proto.Message] struct {
	ask  func(ctx context.Context, chain subnetv1.QueryClient, args []string) (R, error)
	show func(w io.Writer, resp R)
}

// command completes a command with what it asks and shows.
func command[R proto.Message](cmd *cobra.Command, a answer[R]) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		clientCtx, err := client.GetClientQueryContext(cmd)
		if err != nil {
			return err
		}
		resp, err := a.ask(cmd.Context(), subnetv1.NewQueryClient(clientCtx), args)
		if err != nil {
			return err
		}
		if clientCtx.OutputFormat == flags.OutputFormatJSON {
			return clientCtx.PrintProto(resp)
		}
		return printTable(cmd.OutOrStdout(), func(w io.Writer) { a.show(w, resp) })
	}
	flags.AddQueryFlagsToCmd(cmd)
	return cmd
}

// printTable aligns what show writes, cells ending in tabs.
func printTable(out io.Writer, show func(io.Writer)) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	show(w)
	return w.Flush()
}

func netuidArg(args []string) (uint32, error) { return parseNetuid(args[0]) }

// everything asks for all there is in one page: no more than there are netuids.
func everything() *query.PageRequest { return &query.PageRequest{Limit: 65535} }

func listCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "list", Short: "List all subnets with price, share and emission", Args: cobra.NoArgs,
	}, answer[*subnetv1.QuerySubnetsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, _ []string) (*subnetv1.QuerySubnetsResponse, error) {
			return chain.Subnets(ctx, &subnetv1.QuerySubnetsRequest{Pagination: everything()})
		},
		show: showSubnets,
	})
}

func showCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "show NETUID", Short: "Show one subnet and its hyperparameters", Args: cobra.ExactArgs(1),
	}, answer[*subnetv1.QuerySubnetResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QuerySubnetResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			return chain.Subnet(ctx, &subnetv1.QuerySubnetRequest{Netuid: netuid})
		},
		show: showSubnet,
	})
}

func metagraphCommand() *cobra.Command {
	var fields []string
	cmd := command(&cobra.Command{
		Use: "metagraph NETUID", Short: "Show all neurons of a subnet", Args: cobra.ExactArgs(1),
		Example: "plexus query subnet metagraph 1\nplexus query subnet metagraph 1 --fields hotkeys,stake --output json",
	}, answer[*subnetv1.QueryMetagraphResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryMetagraphResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			return chain.Metagraph(ctx, &subnetv1.QueryMetagraphRequest{Netuid: netuid, Fields: fields})
		},
		show: showMetagraph,
	})
	cmd.Flags().StringSliceVar(&fields, "fields", nil, "only these, separated by commas")
	return cmd
}

func neuronCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "neuron NETUID HOTKEY", Short: "Show one neuron and what it may do when", Args: cobra.ExactArgs(2),
	}, answer[*subnetv1.QueryNeuronResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryNeuronResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			return chain.Neuron(ctx, &subnetv1.QueryNeuronRequest{Netuid: netuid, Hotkey: args[1]})
		},
		show: showNeuron,
	})
}

func weightsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "weights NETUID", Short: "Show the weights that validators set", Args: cobra.ExactArgs(1),
	}, answer[*subnetv1.QueryWeightsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryWeightsResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			return chain.Weights(ctx, &subnetv1.QueryWeightsRequest{Netuid: netuid})
		},
		show: showWeights,
	})
}

func bondsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "bonds NETUID", Short: "Show the bonds between validators and neurons", Args: cobra.ExactArgs(1),
	}, answer[*subnetv1.QueryBondsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryBondsResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			return chain.Bonds(ctx, &subnetv1.QueryBondsRequest{Netuid: netuid})
		},
		show: showBonds,
	})
}

func commitsCommand() *cobra.Command {
	var hotkey string
	cmd := command(&cobra.Command{
		Use: "commits NETUID", Short: "Show hidden weights, and what became of them", Args: cobra.ExactArgs(1),
	}, answer[*subnetv1.QueryCommitsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryCommitsResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			return chain.Commits(ctx, &subnetv1.QueryCommitsRequest{Netuid: netuid, Hotkey: hotkey, Pagination: everything()})
		},
		show: showCommits,
	})
	cmd.Flags().StringVar(&hotkey, "hotkey", "", "of one hotkey only")
	return cmd
}

func pulseCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "pulse", Short: "Show the beacon, its last round here and the rounds that are awaited", Args: cobra.NoArgs,
	}, answer[*subnetv1.QueryPulseResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, _ []string) (*subnetv1.QueryPulseResponse, error) {
			return chain.Pulse(ctx, &subnetv1.QueryPulseRequest{})
		},
		show: showPulse,
	})
}

func identityCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "identity ACCOUNT|NETUID", Short: "Show what an account, or the owner of a subnet, says of itself", Args: cobra.ExactArgs(1),
	}, answer[*subnetv1.QueryIdentityResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryIdentityResponse, error) {
			return chain.Identity(ctx, &subnetv1.QueryIdentityRequest{Subject: args[0]})
		},
		show: showIdentity,
	})
}

func paramsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "params", Short: "Show the parameters of the network", Args: cobra.NoArgs,
	}, answer[*subnetv1.QueryParamsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, _ []string) (*subnetv1.QueryParamsResponse, error) {
			return chain.Params(ctx, &subnetv1.QueryParamsRequest{})
		},
		show: showParams,
	})
}

func historyCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "history NETUID UID", Short: "Show what the last epochs meant for a uid", Args: cobra.ExactArgs(2),
	}, answer[*subnetv1.QueryHistoryResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryHistoryResponse, error) {
			netuid, err := netuidArg(args)
			if err != nil {
				return nil, err
			}
			uid, err := strconv.ParseUint(args[1], 10, 16)
			if err != nil {
				return nil, fmt.Errorf("uid %q: want a number from 0 to 65535", args[1])
			}
			return chain.History(ctx, &subnetv1.QueryHistoryRequest{Netuid: netuid, Uid: uint32(uid)})
		},
		show: showHistory,
	})
}

func positionsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "positions ACCOUNT", Short: "Show the neurons and subnets of a coldkey, or the neurons of a hotkey", Args: cobra.ExactArgs(1),
	}, answer[*subnetv1.QueryPositionsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, args []string) (*subnetv1.QueryPositionsResponse, error) {
			return chain.Positions(ctx, &subnetv1.QueryPositionsRequest{Account: args[0], Pagination: everything()})
		},
		show: showPositions,
	})
}

func rootWeightsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "root-weights", Short: "Show what validators say the subnets are worth, and the shares that follow", Args: cobra.NoArgs,
	}, answer[*subnetv1.QueryRootWeightsResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, _ []string) (*subnetv1.QueryRootWeightsResponse, error) {
			return chain.RootWeights(ctx, &subnetv1.QueryRootWeightsRequest{Pagination: everything()})
		},
		show: showRootWeights,
	})
}

func emissionCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "emission", Short: "Show issuance, the next halving and the supply invariant", Args: cobra.NoArgs,
	}, answer[*subnetv1.QueryEmissionResponse]{
		ask: func(ctx context.Context, chain subnetv1.QueryClient, _ []string) (*subnetv1.QueryEmissionResponse, error) {
			return chain.Emission(ctx, &subnetv1.QueryEmissionRequest{})
		},
		show: showEmission,
	})
}
