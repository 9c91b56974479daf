package text

// requests returns how each class is asked for, in the order of Labels. Words in braces are slots; see slots. The classes
// share words on purpose: one sends money and messages, books rooms and plays books.
func requests() [Classes][]string {
	return [Classes][]string{
		{ // alarm
			"wake me {when}", "set an alarm for {time}", "remind me {when} to {chore}", "start a timer of {number} minutes",
			"ring me out of bed at {time}", "dont let me miss {event} {when}", "give me a nudge {when} about {event}",
		},
		{ // message
			"text {name} that {fact}", "send {name} a note about {event}", "tell {name} {fact}", "write to {name} in {place}",
			"let {name} know {fact}", "ask {name} about {event}", "answer {name} that {fact}",
		},
		{ // payment
			"send {name} {amount}", "pay {name} {amount} for {thing}", "transfer {amount} to {name}", "wire {amount} to {place}",
			"settle the bill of {amount} with {name}", "give {name} back the {amount}", "put {amount} in my savings",
		},
		{ // travel
			"book a seat to {place} {when}", "find a train from {place} to {place}", "get me a flight to {place}",
			"reserve a room in {place} for {number} nights", "order a taxi to {place} {when}", "change my ticket to {place}",
		},
		{ // music
			"play {title} by {name}", "put on some {genre}", "queue {title}", "turn up {title}", "find a {genre} station",
			"skip to {title}", "play the book {title} to me", "add {title} to the {genre} list",
		},
		{ // weather
			"will it {fall} in {place} {when}", "how {felt} is it in {place}", "tell me the forecast for {place}",
			"do i need {thing} in {place} {when}", "when does the {fall} stop in {place}", "is {place} {felt} {when}",
		},
		{ // translation
			"say {phrase} in {language}", "translate {phrase} into {language}", "how do you write {phrase} in {language}",
			"what is {language} for {thing}", "give me {phrase} in {language}", "what does {name} mean in {language}",
		},
		{ // shopping
			"order {number} {goods}", "buy {goods} from {name}", "put {goods} on the list", "get me {number} {goods}",
			"find {goods} under {amount}", "add {thing} to the basket", "see who sells {goods} in {place}",
		},
	}
}

// plain returns the messages around a request that stands alone, {A}.
func plain() []string {
	return []string{"{hello} {A}", "{A} {bye}", "{hello} {A} {bye}", "{A}"}
}

// mixed returns the messages around a request that stands, {A}, and one that does not, {B}. The same turns stand before
// what is meant and before what is not, so that neither a word nor a place settles it.
func mixed() []string {
	return []string{
		"dont {B}, {A}",
		"{A}, dont {B}",
		"{hello} {A}, not: {B}",
		"not: {B}. but {A}",
		"{B}? no, {A}",
		"{A}? yes. {B}? no",
		"{B}? no. {A}? yes",
		"{hello} {A} instead, i wont {B}",
		"instead of '{B}' do '{A}'",
		"do '{A}' instead of '{B}'",
		"i said {A}, never {B}",
		"i never said {B}, i said {A}",
		"{B} is done. now {A} {bye}",
		"now {A}. {B} is done",
		"{B} can wait, {A} cant",
		"{A} cant wait, {B} can",
		"forget '{B}', i want '{A}'",
		"i want '{A}', forget '{B}'",
	}
}

// slots returns what may stand for a word in braces. Others have no list, they are made up each time: name, surname,
// place, number, amount, time.
func slots() map[string][]string {
	return map[string][]string{
		"hello":    {"hi,", "hello,", "hey", "please", "could you", "listen,", "good {day}:", "ok,", "well,", "i am in {place},"},
		"bye":      {"please", "thanks", "asap", "now", "if you can", "thank you", "and hurry", "when you are in {place}"},
		"day":      {"morning", "evening", "monday", "friday", "sunday", "night"},
		"when":     {"at {time}", "on {day}", "in {number} hours", "tomorrow", "before {time}", "this {day}", "after {event}"},
		"chore":    {"call {name}", "water the plants", "leave for {place}", "pay the rent", "feed the cat", "buy {goods}", "pack {thing}"},
		"event":    {"the meeting", "lunch", "the flight", "the concert", "{name}s birthday", "the exam", "rain", "the {genre} night"},
		"fact":     {"i am late", "the {goods} came", "we meet at {time}", "i paid {amount}", "it rains", "i am in {place}", "{name} called"},
		"thing":    {"a coat", "the tickets", "lunch", "an umbrella", "the {goods}", "a book", "the room", "a {felt} drink"},
		"title":    {"{name} blues", "song of {place}", "{number} roads", "the {felt} {fall}", "last train to {place}", "hello {name}", "my {goods}"},
		"genre":    {"jazz", "folk", "techno", "opera", "soul", "{place} rock", "piano", "swing"},
		"fall":     {"rain", "snow", "hail", "storm", "fog", "wind"},
		"felt":     {"cold", "hot", "windy", "wet", "dry", "humid"},
		"phrase":   {"good {day}", "i am late", "thank you", "where is {place}", "a {felt} {day}", "my name is {name}", "{number} {goods}"},
		"language": {"french", "german", "hindi", "polish", "welsh", "greek", "swahili", "danish", "korean"},
		"goods":    {"apples", "socks", "batteries", "bread", "lamps", "pens", "rice", "towels", "eggs", "{name} shoes"},
	}
}
