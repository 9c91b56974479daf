//go:build dishonest

package dishonest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
	"github.com/plexusnet/plexus/models/ort"
	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/proto/inference"
)

// rogue is a dishonest miner: a coldkey of that name, and some hotkeys.
type rogue struct {
	name  string
	about string
	uids  int    // 1 when 0
	grade string // of the model that it trained itself, if it has one
	copy  bool   // lives on what one model is worth, with others or with itself
	pins  bool   // is in the subnet that pins a model
	task  string // of the subnet that it is in, digits when ""
	make  func(context.Context, *gang, *onchain.Chain, oip.Identity) (miner.Model, error)
	serve func(context.Context, net.Listener, oip.Identity, miner.Model) error // serveOpenly when nil
}

func (r rogue) hotkeys() []string {
	var names []string
	for i := range max(1, r.uids) {
		names = append(names, fmt.Sprintf("%s-hot%d", r.name, i))
	}
	return names
}

func (r rogue) netuid() uint32 {
	if r.pins {
		return pinnedNetuid
	}
	for _, b := range branches() {
		if b.task == r.task {
			return b.netuid
		}
	}
	return netuid
}

// others are in the branches: a few for each.
func others() []rogue {
	var all []rogue
	for _, b := range branches() {
		all = append(all,
			rogue{name: b.task + "-copier", about: "passes every question on to the best miner", task: b.task, copy: true, make: copier(b.task, word)},
			rogue{name: b.task + "-parrot", about: "passes on nothing but the best miner's label", task: b.task, copy: true, make: copier(b.task, parroted)},
			rogue{name: b.task + "-random", about: "random answers", task: b.task, make: always(b.task, guess)},
			rogue{name: b.task + "-lazy", about: "always the same answer", task: b.task, make: always(b.task, lazy)},
		)
	}
	return all
}

// sybils is how many uids serve one model.
const sybils = 10

// Where a model of its own is needed it is one that would earn well: better than the worst honest miner's.
func rogues() []rogue {
	return append(others(), []rogue{
		{name: "copier", about: "passes every question on to the best miner", copy: true, make: copier(digits.Name, word)},
		{name: "blurrer", about: "the same, and adds noise of 0.4 % to the answers", copy: true, make: copier(digits.Name, blur)},
		{name: "parrot", about: "passes on nothing but the best miner's label", copy: true, make: copier(digits.Name, parroted)},
		{name: "sybil", about: "ten uids with one model", uids: sybils, grade: "sybil", copy: true, make: own("sybil")},
		{name: "table", about: "answers what is most like a past challenge", make: tabulator},
		{name: "twofaced", about: "its good model for validators, guesses for others", grade: "large", make: twoFaced},
		{name: "slow", about: "a good model that takes a second for each answer", grade: "medium", make: slow},
		{name: "lazy", about: "always the same answer", make: always(digits.Name, lazy)},
		{name: "random", about: "random answers", make: always(digits.Name, guess)},
		{name: "offline", about: "a good model, away half of the time", grade: "medium", make: own("offline"), serve: serveAtTimes},
		{name: "flood", about: "a good model's answers and 8 MiB of zeros", grade: "medium", make: flood},
		{name: "endless", about: "a good model's answer, over and over without end", grade: "medium", make: own("endless"), serve: serveEndlessly},
		{name: "drip", about: "a good model's answers, a few bytes at a time", grade: "medium", make: own("drip"), serve: serveInDrips},
		{name: favourite, about: "random answers, for whom the cabal votes", make: always(digits.Name, guess)},
		{name: halfFloats, about: "the pinned model on half floats", pins: true, make: own(halfFloats)},
		{name: bytewise, about: "the pinned model on 8-bit integers", pins: true, make: own(bytewise)},
	}...)
}

// Those who serve the pinned model on cheaper numbers.
const (
	halfFloats = "half"
	bytewise   = "byte"
)

// favourite is the miner of the validators that collude.
const favourite = "favourite"

// trick answers the questions of a task.
type trick struct {
	kind tasks.Kind
	run  func(ctx context.Context, inputs []models.Tensor) ([]models.Tensor, error)
}

func (t trick) Inputs() []models.TensorSpec  { return t.kind.Task().Inputs }
func (t trick) Outputs() []models.TensorSpec { return t.kind.Task().Outputs }
func (t trick) Run(ctx context.Context, inputs []models.Tensor, _ []string) ([]models.Tensor, error) {
	if err := models.ValidateInputs(t.Inputs(), inputs, models.Limits{}); err != nil {
		return nil, err
	}
	return t.run(ctx, inputs)
}

func probabilities(kind tasks.Kind, p []float32) []models.Tensor {
	return []models.Tensor{models.FromFloat32s(kind.Task().Outputs[0].Name, []int64{1, int64(len(p))}, p)}
}

// load opens a rogue's own model.
func (g *gang) load(ctx context.Context, name string) (*ort.Session, error) {
	data, err := os.ReadFile(filepath.Join(g.Models, name+".onnx"))
	if err != nil {
		return nil, err
	}
	return g.rt.Load(ctx, data, ort.Options{})
}

// own serves its own model, as it is.
func own(name string) func(context.Context, *gang, *onchain.Chain, oip.Identity) (miner.Model, error) {
	return func(ctx context.Context, g *gang, _ *onchain.Chain, _ oip.Identity) (miner.Model, error) {
		return g.load(ctx, name)
	}
}

func always(task string, answer func(classes int) []float32) func(context.Context, *gang, *onchain.Chain, oip.Identity) (miner.Model, error) {
	return func(context.Context, *gang, *onchain.Chain, oip.Identity) (miner.Model, error) {
		kind, err := tasks.ByName(task)
		return trick{kind, func(context.Context, []models.Tensor) ([]models.Tensor, error) {
			return probabilities(kind, answer(kind.Classes())), nil
		}}, err
	}
}

func lazy(classes int) []float32 {
	p := make([]float32, classes)
	p[7] = 1
	return p
}

func guess(classes int) []float32 {
	p := make([]float32, classes)
	for i := range p {
		p[i] = rand.Float32()
	}
	return normalized(p)
}

// victim is the miner whose answers are taken.
type victim struct {
	chain  *onchain.Chain
	pool   *client.Pool
	hotkey string
	netuid uint32

	mu    sync.Mutex
	found *metagraph.Endpoint
}

func (g *gang) victim(task string, chain *onchain.Chain, id oip.Identity) *victim {
	return &victim{chain: chain, pool: client.NewPool(oip.Dialer{Identity: id}), hotkey: g.Victims[task], netuid: rogue{task: task}.netuid()}
}

func (v *victim) endpoint(ctx context.Context) (metagraph.Endpoint, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.found == nil {
		graph, err := v.chain.Metagraph(ctx, v.netuid)
		if err != nil {
			return metagraph.Endpoint{}, err
		}
		neuron, ok := graph.Hotkey(v.hotkey)
		if !ok || !neuron.Endpoint.Serves() {
			return metagraph.Endpoint{}, errors.New("the victim serves nothing")
		}
		v.found = &neuron.Endpoint
	}
	return *v.found, nil
}

// ask returns the victim's probabilities.
func (v *victim) ask(ctx context.Context, inputs []models.Tensor) ([]float32, error) {
	endpoint, err := v.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	service, err := v.pool.Service(endpoint)
	if err != nil {
		return nil, err
	}
	resp, err := service.ModelInfer(ctx, oip.Request{Model: endpoint.Model, Inputs: inputs}.Message())
	if err != nil {
		return nil, err
	}
	outputs, err := oip.Outputs(resp)
	if err != nil {
		return nil, err
	}
	return outputs[0].Float32s()
}

// copier is a proxy before another miner, and makes something of its answers.
func copier(task string, retell func(p []float32) []float32) func(context.Context, *gang, *onchain.Chain, oip.Identity) (miner.Model, error) {
	return func(_ context.Context, g *gang, chain *onchain.Chain, id oip.Identity) (miner.Model, error) {
		v := g.victim(task, chain, id)
		kind, err := tasks.ByName(task)
		return trick{kind, func(ctx context.Context, inputs []models.Tensor) ([]models.Tensor, error) {
			p, err := v.ask(ctx, inputs)
			if err != nil {
				return nil, err
			}
			return probabilities(kind, retell(p)), nil
		}}, err
	}
}

func word(p []float32) []float32 { return p }

// blurred is how far blur moves numbers, as a share of the largest.
const blurred = 0.004

func blur(p []float32) []float32 {
	largest := slices.Max(p)
	for i := range p {
		p[i] = max(0, p[i]+blurred*largest*(2*rand.Float32()-1))
	}
	return normalized(p)
}

// parroted keeps nothing but which class is the most probable. It says the same to all who ask the same, or shoppers would
// find it out.
func parroted(p []float32) []float32 {
	label := slices.Index(p, slices.Max(p))
	for i := range p {
		p[i] = 0.01
	}
	p[label] = 0.91
	return p
}

func normalized(p []float32) []float32 {
	sum := float32(0)
	for _, v := range p {
		sum += v
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// tabulator knows past challenges, with answers that it got of another miner after the round, and gives for a new one
// that of the most similar.
func tabulator(ctx context.Context, g *gang, chain *onchain.Chain, id oip.Identity) (miner.Model, error) {
	t := &table{known: map[[32]byte]int{}, todo: make(chan []models.Tensor, 256)}
	go t.learn(ctx, g.victim(digits.Name, chain, id))
	kind, err := tasks.ByName(digits.Name)
	return trick{kind, func(_ context.Context, inputs []models.Tensor) ([]models.Tensor, error) {
		select {
		case t.todo <- []models.Tensor{{Name: inputs[0].Name, Datatype: inputs[0].Datatype, Shape: slices.Clone(inputs[0].Shape), Data: slices.Clone(inputs[0].Data)}}:
		default: // seen enough for now
		}
		return probabilities(kind, t.answer(inputs[0])), nil
	}}, err
}

// tableSize is how many past challenges are kept.
const tableSize = 1000

type table struct {
	todo chan []models.Tensor

	mu      sync.RWMutex
	known   map[[32]byte]int // by the input's hash
	images  [][]float32
	answers [][]float32
}

func (t *table) learn(ctx context.Context, v *victim) {
	for {
		select {
		case <-ctx.Done():
			return
		case inputs := <-t.todo:
			time.Sleep(50 * time.Millisecond) // not to be noticed, and long after the round as the queue grows
			image, err := inputs[0].Float32s()
			answer, askErr := v.ask(ctx, inputs)
			if err != nil || askErr != nil {
				continue
			}
			t.mu.Lock()
			if len(t.images) < tableSize {
				t.known[sha256.Sum256(inputs[0].Data)] = len(t.images)
				t.images, t.answers = append(t.images, image), append(t.answers, answer)
			}
			t.mu.Unlock()
		}
	}
}

func (t *table) answer(input models.Tensor) []float32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if i, ok := t.known[sha256.Sum256(input.Data)]; ok {
		return t.answers[i]
	}
	image, err := input.Float32s()
	if err != nil || len(t.images) == 0 {
		return guess(digits.Classes)
	}
	best, nearest := 0, float32(0)
	for i, other := range t.images {
		if d := distance(image, other); i == 0 || d < nearest {
			best, nearest = i, d
		}
	}
	return t.answers[best]
}

func distance(a, b []float32) float32 {
	sum := float32(0)
	for i := range min(len(a), len(b)) {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return sum
}

// twoFaced knows validators by the account that their connection proves.
func twoFaced(ctx context.Context, g *gang, chain *onchain.Chain, _ oip.Identity) (miner.Model, error) {
	good, err := g.load(ctx, "twofaced")
	if err != nil {
		return nil, err
	}
	var validators atomic.Pointer[map[string]bool]
	validators.Store(&map[string]bool{})
	go func() {
		for ctx.Err() == nil {
			if graph, err := chain.Metagraph(ctx, netuid); err == nil {
				now := map[string]bool{}
				for _, n := range graph.Neurons {
					now[n.Hotkey] = n.Permit || n.Stake > 0
				}
				validators.Store(&now)
			}
			time.Sleep(time.Second)
		}
	}()
	kind, err := tasks.ByName(digits.Name)
	return trick{kind, func(ctx context.Context, inputs []models.Tensor) ([]models.Tensor, error) {
		if (*validators.Load())[callerOf(ctx)] {
			return good.Run(ctx, inputs, nil)
		}
		return probabilities(kind, guess(kind.Classes())), nil
	}}, err
}

// callerOf is the account at the other end, "" for a stranger.
func callerOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	auth, ok := p.AuthInfo.(oip.AuthInfo)
	if !ok || !auth.Shown || auth.Err != nil {
		return ""
	}
	return auth.Peer.Address
}

func slow(ctx context.Context, g *gang, _ *onchain.Chain, _ oip.Identity) (miner.Model, error) {
	good, err := g.load(ctx, "slow")
	if err != nil {
		return nil, err
	}
	kind, err := tasks.ByName(digits.Name)
	return trick{kind, func(ctx context.Context, inputs []models.Tensor) ([]models.Tensor, error) {
		select {
		case <-time.After(time.Second):
			return good.Run(ctx, inputs, nil)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, err
}

func flood(ctx context.Context, g *gang, _ *onchain.Chain, _ oip.Identity) (miner.Model, error) {
	good, err := g.load(ctx, "flood")
	if err != nil {
		return nil, err
	}
	water := models.Tensor{Name: "water", Datatype: models.UINT8, Shape: []int64{8 << 20}, Data: make([]byte, 8<<20)}
	kind, err := tasks.ByName(digits.Name)
	return trick{kind, func(ctx context.Context, inputs []models.Tensor) ([]models.Tensor, error) {
		answer, err := good.Run(ctx, inputs, nil)
		return append(answer, water), err
	}}, err
}

// awayFor is how long one that is offline at times is there, and then away.
const awayFor = 7 * time.Second

// serveAtTimes closes its port again and again.
func serveAtTimes(ctx context.Context, lis net.Listener, id oip.Identity, brain miner.Model) error {
	address := lis.Addr().String()
	for {
		open, cancel := context.WithTimeout(ctx, awayFor)
		err := server(id, brain).Serve(open, lis)
		cancel()
		if ctx.Err() != nil || err != nil {
			return ended(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(awayFor):
		}
		if lis, err = miner.Listen(address, id, false); err != nil {
			return err
		}
	}
}

// serveEndlessly answers a question that has one answer with a stream of them.
func serveEndlessly(ctx context.Context, lis net.Listener, id oip.Identity, brain miner.Model) error {
	answer := func(_ any, stream grpc.ServerStream) error {
		var req inference.ModelInferRequest
		if err := stream.RecvMsg(&req); err != nil {
			return err
		}
		inputs, err := oip.Inputs(&req)
		if err != nil {
			return err
		}
		outputs, err := brain.Run(stream.Context(), inputs, nil)
		if err != nil {
			return err
		}
		resp := oip.Response{Model: req.ModelName, Version: "1", Outputs: outputs}.Message()
		for {
			if err := stream.SendMsg(resp); err != nil {
				return err
			}
		}
	}
	s := grpc.NewServer(grpc.Creds(id.Credentials()), grpc.ForceServerCodecV2(oip.NewCodec()), grpc.UnknownServiceHandler(answer))
	defer context.AfterFunc(ctx, s.Stop)()
	return ended(ctx, s.Serve(lis))
}

// serveInDrips sends everything a few bytes at a time, so that an answer takes minutes.
func serveInDrips(ctx context.Context, lis net.Listener, id oip.Identity, brain miner.Model) error {
	return server(id, brain).Serve(ctx, leaky{lis})
}

type leaky struct{ net.Listener }

func (l leaky) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &dripping{Conn: conn}, nil
}

// dripping is a connection that is quick until its handshake is over, and then is not.
type dripping struct {
	net.Conn
	sent atomic.Int64
}

const (
	handshakeBytes = 2 << 10
	dripBytes      = 8
	dripPause      = 200 * time.Millisecond
)

func (d *dripping) Write(data []byte) (int, error) {
	done := 0
	for done < len(data) {
		size := min(len(data)-done, handshakeBytes)
		if d.sent.Load() >= handshakeBytes {
			size = min(size, dripBytes)
			time.Sleep(dripPause)
		}
		n, err := d.Conn.Write(data[done : done+size])
		d.sent.Add(int64(n))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// byName finds a rogue.
func byName(name string) rogue {
	all := rogues()
	return all[slices.IndexFunc(all, func(r rogue) bool { return r.name == name })]
}
