// Command hostile is a mechanism that behaves as its argument says. The honest one asks for twice its input.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/plexusnet/plexus/models"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
)

type server struct {
	mechanismv1.UnimplementedMechanismServer
	mode   string
	mu     sync.Mutex
	rounds map[string]int
}

func main() {
	mode := os.Args[1]
	switch mode {
	case "early":
		fmt.Println("no such file: truth.csv")
		os.Exit(3)
	case "silent":
		time.Sleep(time.Hour)
	case "hold":
		hold(96)
		time.Sleep(time.Hour)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "chatty":
		for i := range 5000 {
			fmt.Println("line", i)
		}
		fmt.Println(strings.Repeat("x", 1<<20))
	case "orphan":
		child := exec.Command("sleep", "3600")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println("child", child.Process.Pid)
	}
	lis, err := net.Listen("unix", strings.TrimPrefix(os.Getenv("PLEXUS_MECHANISM_LISTEN"), "unix:"))
	if err != nil {
		panic(err)
	}
	srv := grpc.NewServer()
	mechanismv1.RegisterMechanismServer(srv, &server{mode: mode, rounds: map[string]int{}})
	if err := srv.Serve(lis); err != nil {
		panic(err)
	}
}

// hold takes that many MiB and keeps them.
func hold(mib int) {
	for range mib {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 512 {
			block[i] = 1
		}
		held = append(held, block)
	}
}

var held [][]byte

func (s *server) Describe(context.Context, *mechanismv1.DescribeRequest) (*mechanismv1.DescribeResponse, error) {
	d := &mechanismv1.DescribeResponse{Task: "twice", Metric: "share of right answers", Chance: 0.25,
		Inputs:  []*mechanismv1.TensorSpec{{Name: "x", Datatype: "UINT8", Shape: []int64{-1, 16}}},
		Outputs: []*mechanismv1.TensorSpec{{Name: "y", Datatype: "UINT8", Shape: []int64{-1, 16}}}}
	switch s.mode {
	case "environment":
		var names []string
		for _, entry := range os.Environ() {
			name, _, _ := strings.Cut(entry, "=")
			names = append(names, name)
		}
		slices.Sort(names)
		d.Metric = strings.Join(names, " ")
	case "fickle":
		d.Chance = float64(os.Getpid()%1000) / 1000
	}
	return d, nil
}

func (s *server) Challenge(_ context.Context, req *mechanismv1.ChallengeRequest) (*mechanismv1.ChallengeResponse, error) {
	switch s.mode {
	case "hang-challenge":
		select {}
	case "die-challenge":
		os.Exit(1)
	case "children":
		for range 3 {
			if err := exec.Command(os.Args[0], "hold").Start(); err != nil {
				return nil, err
			}
		}
		time.Sleep(time.Hour)
	}
	resp := &mechanismv1.ChallengeResponse{Round: []byte(rand.Text())}
	for range req.Count {
		x := make([]byte, 16)
		rand.Read(x)
		resp.Challenges = append(resp.Challenges, &mechanismv1.Question{Inputs: []*mechanismv1.Tensor{
			{Name: "x", Datatype: string(models.UINT8), Shape: []int64{1, 16}, Contents: x}}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rounds[string(resp.Round)] = int(req.Count)
	return resp, nil
}

func (s *server) Score(_ context.Context, req *mechanismv1.ScoreRequest) (*mechanismv1.ScoreResponse, error) {
	switch s.mode {
	case "hang-score":
		for { // and burn what there is
		}
	case "die-score":
		panic("index out of range")
	case "memory":
		hold(4096)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resp := &mechanismv1.ScoreResponse{}
	for _, a := range req.Answers {
		mark := &mechanismv1.Mark{}
		if a.Error == "" {
			mark.Score = 1
		}
		resp.Marks = append(resp.Marks, mark)
	}
	return resp, nil
}
