#include "mock/talk.h"

#include <string.h>

#define TURNS_MAX 7
#define VARIANTS_MAX 6
#define WORDS_MAX 14

/* The words of each slot, which a line refers to as {0} to {5}. */
static const char *const slots[TALK_SLOTS][WORDS_MAX] = {
	{ "tonight", "tomorrow", "on Friday", "on Saturday", "on Sunday", "next week", "on Tuesday",
		"after work" },
	{ "the bakery", "my place", "the station", "the library", "the lake", "the old cinema",
		"the market", "the office", "the park", "the corner café", "the sports hall" },
	{ "six", "half past six", "seven", "noon", "ten", "quarter to eight", "eight", "four" },
	{ "the report", "the slides", "the new release", "the budget", "the contract",
		"the invoice", "the test results", "the floor plan", "the translation",
		"the poster" },
	{ "pizza", "ramen", "falafel", "dumplings", "pancakes", "curry", "tacos",
		"that lentil soup", "pierogi", "jollof rice" },
	{ "the bike", "the washing machine", "my phone", "the printer", "the boiler", "the car",
		"the wifi", "the coffee machine", "the lift" },
};

/* An exchange: its turns in order. One of the variants of each turn is used. */
struct thread {
	const char *turns[TURNS_MAX][VARIANTS_MAX];
};

static const struct thread english[] = {
	{ { { "Are you free {0}?", "Anything planned {0}?", "Shall we do something {0}?",
		    "Hey, are you around {0}?" },
		{ "I think so. Why?", "Yes! What do you have in mind?", "Depends 🙂",
			"Should be, until {2} anyway" },
		{ "Let's meet at {1}, say at {2}?", "{1}, {2}?", "I thought of {4} and a walk",
			"A few of us go to {1}" },
		{ "Sounds good", "👍", "I'm in", "Perfect, see you there",
			"Can we make it a bit later?" },
		{ "Great, I'll tell the others", "Good. I'll bring something to drink",
			"See you at {1} then 👋" } } },
	{ { { "Has anyone looked at {3}?", "Where are we with {3}?",
		    "Could somebody check {3} {0}?" },
		{ "Nearly done, two pages left", "I had a look, page 3 is still wrong",
			"Not yet, sorry", "On it" },
		{ "No hurry, {0} is fine", "We promised it for {2} {0}", "Thanks, that helps",
			"Send it over when it is ready" },
		{ "Done. Have a look, please", "I put my notes beside it", "Will do",
			"OK, {2} at the latest" },
		{ "Looks good to me", "Thank you!!", "Much better than the first one",
			"One more question: who signs it?" },
		{ "I do", "Ask me {0} 😅", "All settled then" } } },
	{ { { "{5} is broken again", "Does anyone know how to fix {5}?", "So… {5} has given up",
		    "Guess what: {5} 🙄" },
		{ "Again?", "Oh no", "Did you turn it off and on?", "What does it do?" },
		{ "It only blinks", "It makes a noise like a kettle",
			"Nothing at all, that is the problem", "It says error 7" },
		{ "My neighbour repairs such things, shall I ask?", "I can come by {0}",
			"Is there still a guarantee on it?",
			"Don't touch it, I'll have a look {0}" },
		{ "That would be wonderful", "You are a hero", "Yes please", "I'd be so grateful" },
		{ "Done! It was the plug…", "{0} at {2}, then", "You owe me {4} 😄" } } },
	{ { { "I am cooking {4} {0}, who comes?", "{4} for lunch?", "Craving {4} right now",
		    "Who is hungry?" },
		{ "Me!", "Always", "Is it vegetarian?", "I had that yesterday 😂 but yes" },
		{ "{2} at {1}", "There is enough for six", "Bring bread if you pass {1}",
			"With or without chili?" },
		{ "Without, please", "On my way", "Hot 🌶️🌶️", "I'll be there at {2}" },
		{ "Best {4} I ever had", "Thanks for having us!", "Recipe, please",
			"Next time at mine" } } },
	{ { { "The minutes are at https://example.org/minutes",
		    "Tickets for {0}: https://tickets.example/42",
		    "About {3}: https://example.com/a?page=12" },
		{ "Thanks, reading it now", "The link asks me for a password", "Bookmarked 👍" },
		{ "Try it again {0}", "It is the same one as for {3}", "Works for me" } } },
	{ { { "Good morning ☀️", "Morning everyone", "Hello!", "Hi, how are you?",
		    "Long time no see!" },
		{ "Good morning!", "Hi hi", "Hello 👋 all well here, and you?", "Tired, but fine" },
		{ "Did you see the rain last night?", "Finally some sun", "I slept like a stone",
			"The train was late again" },
		{ "Tell me about it", "😂", "True", "Same here" } } },
	{ { { "Happy birthday!! 🎉", "Congratulations on the new job!",
		    "We got the keys to the flat!!", "I passed the exam!" },
		{ "🎉🎉🎉", "Wow, congratulations", "So happy for you", "❤️",
			"That calls for cake" },
		{ "Thank you all!", "Thanks ❤️", "I still can't believe it" },
		{ "When do we celebrate?", "Drinks {0}?", "You have earned it" },
		{ "{0}, {2}, {1}. Everybody is invited", "{0}, I'll send details" } } },
	{ { { "I'm at {1}, where are you?", "Running late, sorry", "Which platform was it?",
		    "Are you there yet?" },
		{ "Two minutes", "Just parked", "By the entrance, red jacket",
			"The bus is stuck, ten minutes" },
		{ "OK, I'll wait inside", "No worries", "I see you!",
			"I'll get us coffee in the meantime" },
		{ "❤️", "Thanks", "👍" } } },
	{ { { "Can you lend me {5} {0}?", "Does anybody still need the tickets for {0}?",
		    "I found a grey scarf at {1}, is it one of yours?", "Who has the key to {1}?" },
		{ "Yes, no problem", "Not me", "I think that is Maya's",
			"It's on the hook behind the door", "Let me ask" },
		{ "Thanks, I'll pick it up at {2}", "Great, thank you", "You saved my day" },
		{ "Any time", "You're welcome 🙂", "👌" } } },
	{ { { "That film last night was something", "Have you finished the book?", "What a match!!",
		    "The concert at {1} was so loud" },
		{ "I cried at the end, I admit it", "Don't tell me how it ends!",
			"The second half was better", "I fell asleep 🙈",
			"I want to hear it again" },
		{ "The part with the dog, though", "Which one did you like best?", "No comment",
			"Next one {0}?" },
		{ "Definitely", "The first", "Only with popcorn", "Count me in" } } },
	{ { { "Minutes of today are in the folder. Short version: {3} goes out {0}, the rest waits "
	      "until next week.",
		    "Reminder: we meet {0} at {2}. On the list are {3}, the holidays, and who "
		    "waters the plants.",
		    "I wrote down what we said about {3}:\n- finish it {0}\n- show it to everybody "
		    "at {2}\n- then, and only then, celebrate" },
		{ "Read it, fine by me", "Thanks for writing it up",
			"One correction: I said {2}, not later", "👍" },
		{ "Changed", "Good point", "Then we are done 🎉" } } },
};

static const struct thread arabic[] = {
	{ { { "صباح الخير ☀️", "السلام عليكم", "كيف الحال؟" },
		{ "صباح النور", "وعليكم السلام", "بخير والحمد لله، وأنت؟" },
		{ "هل نلتقي اليوم؟", "متى نشرب القهوة معًا؟" },
		{ "نعم، بعد العمل", "غدًا أفضل لي", "بكل سرور" }, { "اتفقنا", "إلى اللقاء 👋" } } },
	{ { { "هل وصلت؟", "أين أنت الآن؟" }, { "خمس دقائق وأصل", "الطريق مزدحم جدًا" },
		{ "لا بأس، أنتظرك", "خذ وقتك" }, { "شكرًا جزيلًا", "🙏" } } },
};

static const struct thread chinese[] = {
	{ { { "早上好", "在吗？", "最近怎么样？" }, { "在的", "挺好的，你呢？", "有点忙" },
		{ "周末一起吃饭吧", "要不要去喝咖啡？" },
		{ "好啊，几点？", "可以，老地方见", "这周不行，下周吧" },
		{ "那就六点半", "没问题 👌" }, { "到时候见", "好的！" } } },
	{ { { "文件我发给你了", "明天的会议改到下午了" }, { "收到，谢谢", "几点开始？" },
		{ "三点", "有问题随时说" }, { "好的", "辛苦了" } } },
};

static const struct thread french[] = {
	{ { { "Salut, ça va ?", "Coucou !", "Tu es là ?" },
		{ "Ça va, et toi ?", "Oui, dis-moi", "Un peu fatigué mais oui" },
		{ "On se voit samedi ?", "Tu viens dîner à la maison ?",
			"Un café après le travail ?" },
		{ "Avec plaisir !", "Je dois vérifier, je te dis ce soir", "Plutôt dimanche" },
		{ "Parfait, à bientôt", "Super 😊", "J'apporte le dessert" } } },
	{ { { "Tu as reçu mon message d'hier ?", "Où en est le dossier ?" },
		{ "Oui, je m'en occupe", "C'est presque prêt" },
		{ "Merci beaucoup", "Rien ne presse" }, { "De rien", "Bonne journée ☀️" } } },
};

static const struct thread german[] = {
	{ { { "Moin!", "Guten Morgen ☀️", "Na, wie geht's?" },
		{ "Morgen!", "Gut, und selbst?", "Müde 😴" },
		{ "Hast du am Wochenende schon was vor?", "Kaffee nachher?",
			"Kommst du heute zum Training?" },
		{ "Noch nicht, schlag was vor", "Gern, um drei?", "Leider nein, Zahnarzt" },
		{ "Dann um halb sieben am Bahnhof", "Schade, nächstes Mal",
			"Alles klar, bis später" } } },
	{ { { "Weiß jemand, wo die Schlüssel für den Keller sind?",
		    "Der Aufzug steht schon wieder" },
		{ "Liegen bei mir", "Echt jetzt? 🙄", "Ich rufe mal an" },
		{ "Danke dir!", "Größe 43, falls es um die Schuhe geht 😄" },
		{ "Gern geschehen", "Schönen Feierabend" } } },
};

static const struct thread hindi[] = {
	{ { { "नमस्ते 🙏", "क्या हाल है?", "सुप्रभात" }, { "सब बढ़िया, आप बताइए", "ठीक हूँ", "नमस्ते!" },
		{ "शाम को चाय पर मिलें?", "कल घर आ रहे हो?" },
		{ "हाँ, ज़रूर", "कल नहीं, परसों", "छह बजे ठीक है?" }, { "पक्का", "ठीक है, मिलते हैं 👍" } } },
	{ { { "ट्रेन कितने बजे की है?", "टिकट मिल गया?" }, { "सुबह सात बजे", "हाँ, मिल गया" },
		{ "बहुत अच्छा", "समय पर आना 😄" } } },
};

static const struct thread japanese[] = {
	{ { { "おはよう☀️", "お疲れさまです", "今いい？" },
		{ "おはよう！", "お疲れさまです", "うん、どうしたの？" },
		{ "週末、空いてる？", "今度ご飯に行かない？", "明日の会議、何時からだっけ？" },
		{ "空いてるよ", "いいね、行こう！", "十時からです" },
		{ "じゃあ駅前で六時に", "了解です", "ありがとう！" },
		{ "楽しみにしてる🎶", "また明日" } } },
	{ { { "資料を送りました", "写真、見た？" }, { "確認します", "見たよ、きれいだった" },
		{ "よろしくお願いします", "でしょ？😆" } } },
};

static const struct thread portuguese[] = {
	{ { { "Oi, tudo bem?", "Bom dia ☀️", "E aí?" },
		{ "Tudo ótimo, e você?", "Bom dia!", "Correria, mas tudo bem" },
		{ "Vamos à praia no sábado?", "Almoço amanhã?", "Você viu o jogo?" },
		{ "Bora!", "Pode ser, que horas?", "Vi, que sufoco 😅" },
		{ "Combinado", "Às dez, na estação", "Até amanhã então" } } },
	{ { { "Já chegaram os ingressos?", "Preciso de uma mãozinha com a mudança" },
		{ "Já sim", "Claro, quando?" }, { "Obrigadão ❤️", "No domingo de manhã" } } },
};

static const struct thread russian[] = {
	{ { { "Привет!", "Доброе утро ☀️", "Как дела?" },
		{ "Привет, всё хорошо", "Доброе!", "Потихоньку, а у тебя?" },
		{ "Увидимся в выходные?", "Зайдёшь вечером на чай?", "Ты смотрел отчёт?" },
		{ "Давай в субботу", "С удовольствием", "Ещё нет, вечером посмотрю" },
		{ "Договорились", "Отлично 👍" }, { "До встречи", "Пока-пока 👋" } } },
	{ { { "Кто-нибудь знает, почему нет интернета?", "Поезд опять опаздывает" },
		{ "У меня тоже нет", "Как всегда 😄" }, { "Уже чинят", "Ничего, подождём" } } },
};

static const struct thread spanish[] = {
	{ { { "¡Hola! ¿Qué tal?", "Buenos días ☀️", "¿Estás por ahí?" },
		{ "Muy bien, ¿y tú?", "¡Buenas!", "Aquí, dime" },
		{ "¿Quedamos esta tarde?", "¿Te apuntas a cenar el viernes?",
			"¿Has visto el correo de la señora Peña?" },
		{ "¡Claro que sí!", "Hoy no puedo, ¿mañana?", "Todavía no, ahora lo miro" },
		{ "A las ocho en la plaza", "Perfecto, nos vemos", "Vale 👍" },
		{ "¡Hasta luego!", "Un abrazo" } } },
	{ { { "¿Alguien tiene un cargador?", "Mañana es fiesta, ¿no?" },
		{ "Yo, te lo llevo", "Sí, por fin 🎉" },
		{ "Mil gracias", "A descansar entonces" } } },
};

#define THREADS(list)                                  \
	{                                              \
		list, sizeof(list) / sizeof((list)[0]) \
	}

static const struct {
	const struct thread *threads;
	size_t n;
} by_language[LANGUAGE_N] = {
	[LANGUAGE_ENGLISH] = THREADS(english),
	[LANGUAGE_ARABIC] = THREADS(arabic),
	[LANGUAGE_CHINESE] = THREADS(chinese),
	[LANGUAGE_FRENCH] = THREADS(french),
	[LANGUAGE_GERMAN] = THREADS(german),
	[LANGUAGE_HINDI] = THREADS(hindi),
	[LANGUAGE_JAPANESE] = THREADS(japanese),
	[LANGUAGE_PORTUGUESE] = THREADS(portuguese),
	[LANGUAGE_RUSSIAN] = THREADS(russian),
	[LANGUAGE_SPANISH] = THREADS(spanish),
};

/* Returns the number of texts in a list of at most max, which ends with NULL if it is shorter. */
static unsigned count(const char *const *list, unsigned max)
{
	unsigned n = 0;

	while (n < max && list[n])
		n++;
	return n;
}

void talk_start(struct talk *t, struct rng *r, enum language language)
{
	unsigned i;

	t->thread = &by_language[language].threads[rng_below(r, by_language[language].n)];
	t->turn = 0;
	for (i = 0; i < TALK_SLOTS; i++)
		t->fill[i] = (unsigned char)rng_below(r, count(slots[i], WORDS_MAX));
}

/* Appends a line with its slots filled in, and its first letter in upper case. */
static void put_line(const struct talk *t, const char *pattern, struct buf *line)
{
	size_t start = line->len;
	const char *p;

	for (p = pattern; *p; p++) {
		if (p[0] == '{' && p[1] >= '0' && p[1] < '0' + TALK_SLOTS && p[2] == '}') {
			buf_add_str(line, slots[p[1] - '0'][t->fill[p[1] - '0']]);
			p += 2;
		} else {
			buf_add_char(line, *p);
		}
	}
	if (line->data[start] >= 'a' && line->data[start] <= 'z')
		line->data[start] = (char)(line->data[start] - 'a' + 'A');
}

bool talk_line(struct talk *t, struct rng *r, struct buf *line)
{
	const char *const *variants = t->thread->turns[t->turn];

	put_line(t, variants[rng_below(r, count(variants, VARIANTS_MAX))], line);
	t->turn++;
	return t->turn < TURNS_MAX && t->thread->turns[t->turn][0];
}
