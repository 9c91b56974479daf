package cli

import (
	"context"
	"io"
	"text/tabwriter"

	"github.com/cosmos/gogoproto/proto"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/types/query"

	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// QueryCommand returns the command that holds the queries of the module.
func QueryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "channel",
		Short: "Payment channels and what callers pay for",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(listCommand(), showCommand(), demandCommand(), totalsCommand(), paramsCommand())
	return cmd
}

// answer is a question to the chain, made of a command's arguments, and the
// table that shows what it answers.
type answer[R proto.Message] struct {
	ask  func(ctx context.Context, chain channelv1.QueryClient, args []string) (R, error)
	show func(w io.Writer, resp R)
}

// command completes a command with what it asks and shows.
func command[R proto.Message](cmd *cobra.Command, a answer[R]) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		clientCtx, err := client.GetClientQueryContext(cmd)
		if err != nil {
			return err
		}
		resp, err := a.ask(cmd.Context(), channelv1.NewQueryClient(clientCtx), args)
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

func listCommand() *cobra.Command {
	var req channelv1.QueryChannelsRequest
	var limit, after uint64
	cmd := command(&cobra.Command{
		Use: "list", Short: "List channels that have not been collected", Args: cobra.NoArgs,
		Example: "plexus query channel list --payer plx1…\nplexus query channel list --hotkey plx1… --output json",
	}, answer[*channelv1.QueryChannelsResponse]{
		ask: func(ctx context.Context, chain channelv1.QueryClient, _ []string) (*channelv1.QueryChannelsResponse, error) {
			req.Pagination = &query.PageRequest{Limit: limit, Offset: after}
			return chain.Channels(ctx, &req)
		},
		show: showChannels,
	})
	cmd.Flags().StringVar(&req.Payer, "payer", "", "only those that this account pays")
	cmd.Flags().StringVar(&req.Payee, "payee", "", "only those that pay this coldkey")
	cmd.Flags().StringVar(&req.Hotkey, "hotkey", "", "only those to the miner of this hotkey")
	cmd.Flags().Uint64Var(&limit, "limit", 100, "at most so many")
	cmd.Flags().Uint64Var(&after, "offset", 0, "pass over so many first")
	cmd.MarkFlagsMutuallyExclusive("payer", "payee", "hotkey")
	return cmd
}

func showCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "show CHANNEL", Short: "Show one channel and its lanes", Args: cobra.ExactArgs(1),
	}, answer[*channelv1.QueryChannelResponse]{
		ask: func(ctx context.Context, chain channelv1.QueryClient, args []string) (*channelv1.QueryChannelResponse, error) {
			id, err := parseNumber("channel", args[0])
			if err != nil {
				return nil, err
			}
			return chain.Channel(ctx, &channelv1.QueryChannelRequest{Channel: id})
		},
		show: showChannel,
	})
}

func demandCommand() *cobra.Command {
	var hotkey string
	cmd := command(&cobra.Command{
		Use: "demand NETUID", Short: "Show what callers paid the miners of a subnet, or one of them", Args: cobra.ExactArgs(1),
		Example: "plexus query channel demand 1\nplexus query channel demand 1 --hotkey plx1…",
	}, answer[*channelv1.QueryDemandResponse]{
		ask: func(ctx context.Context, chain channelv1.QueryClient, args []string) (*channelv1.QueryDemandResponse, error) {
			netuid, err := parseNetuid(args[0])
			if err != nil {
				return nil, err
			}
			if hotkey == "" {
				return chain.Demand(ctx, &channelv1.QueryDemandRequest{Netuid: netuid})
			}
			resp, err := chain.MinerDemand(ctx, &channelv1.QueryMinerDemandRequest{Netuid: netuid, Hotkey: hotkey})
			if err != nil {
				return nil, err
			}
			return &channelv1.QueryDemandResponse{Demand: resp.Demand}, nil
		},
		show: showDemand,
	})
	cmd.Flags().StringVar(&hotkey, "hotkey", "", "of the miner of this hotkey only")
	return cmd
}

func totalsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "totals", Short: "Show what moved through all channels, and that the escrow holds what it owes", Args: cobra.NoArgs,
	}, answer[*channelv1.QueryTotalsResponse]{
		ask: func(ctx context.Context, chain channelv1.QueryClient, _ []string) (*channelv1.QueryTotalsResponse, error) {
			return chain.Totals(ctx, &channelv1.QueryTotalsRequest{})
		},
		show: showTotals,
	})
}

func paramsCommand() *cobra.Command {
	return command(&cobra.Command{
		Use: "params", Short: "Show the parameters of payment", Args: cobra.NoArgs,
	}, answer[*channelv1.QueryParamsResponse]{
		ask: func(ctx context.Context, chain channelv1.QueryClient, _ []string) (*channelv1.QueryParamsResponse, error) {
			return chain.Params(ctx, &channelv1.QueryParamsRequest{})
		},
		show: showParams,
	})
}
